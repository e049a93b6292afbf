/** A client of Gristmill: every operation of the OpenAPI document, typed; see README.md. */
import createFetchClient, { type Client, defaultBodySerializer } from "openapi-fetch";
import type { components, paths } from "./schema.js";
import { bearer, type Session } from "./session.js";

export type { components, operations, paths } from "./schema.js";
export { type JobEvent, followJob, type FollowOptions, isClosing } from "./jobs.js";
export { ndjson } from "./ndjson.js";
export { Session, type Tokens } from "./session.js";
export { type ServerSentEvent, serverSentEvents } from "./sse.js";

/** The wire types by name, such as `Schemas["ProjectView"]`. */
export type Schemas = components["schemas"];

/** A typed client: `client.GET("/api/projects")`. */
export type GristmillClient = Client<paths>;

export interface ClientOptions {
  /** Where the server is, without `/api`: `http://127.0.0.1:4000`. */
  baseUrl: string;
  /** A personal access token (`gmp_…`), or a session that refreshes itself. Without either, only public operations work. */
  auth?: string | Session;
  /** The function that sends requests; the platform's by default. */
  fetch?: (request: Request) => Promise<Response>;
}

/** Makes a client. It keeps no state but the session's. */
export function createClient(options: ClientOptions): GristmillClient {
  const send = options.fetch ?? ((request: Request) => fetch(request));
  const client = createFetchClient<paths>({
    baseUrl: options.baseUrl.replace(/\/+$/, ""),
    fetch: send,
    bodySerializer: serializeBody,
  });
  if (options.auth !== undefined) {
    client.use(bearer(options.auth, send));
  }
  return client;
}

/** Bodies that hold a file are sent as a form, all others as JSON. */
function serializeBody(body: unknown): BodyInit {
  const fields = typeof body === "object" && body !== null ? Object.entries(body) : [];
  if (!fields.some(([, value]) => value instanceof Blob)) {
    return defaultBodySerializer(body);
  }
  const form = new FormData();
  for (const [name, value] of fields) {
    if (value !== undefined) {
      form.append(name, value instanceof Blob ? value : String(value));
    }
  }
  return form;
}
