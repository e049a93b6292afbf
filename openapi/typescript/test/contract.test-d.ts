/**
 * What the frontend relies on, as types: this file is only compiled. A change of the server's types that would break
 * the frontend breaks `tsc` here first.
 */
import type { Schemas } from "../src/index.js";

/** Fails to compile unless both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function holds<_Fact extends true>(): void {}

// Snake case where the contract has it (users, uploads), null where it says null.
holds<Same<Schemas["UserView"]["last_login_at"], string | null>>();
holds<Same<Schemas["UserView"]["email_verified"], boolean>>();
holds<Same<Schemas["UploadedDatasetView"]["n_rows"], number>>();
holds<Same<Schemas["UploadedDatasetView"]["null_counts"], { [column: string]: number }>>();

// Closed sets are unions.
holds<Same<Schemas["JobView"]["status"], "queued" | "running" | "succeeded" | "failed" | "cancelled">>();

// Every failure has a text for people and a code for programs.
holds<Same<Schemas["ErrorBody"]["error"], string>>();
