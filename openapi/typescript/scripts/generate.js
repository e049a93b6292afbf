// Writes src/schema.ts from the OpenAPI document; with --check, fails when the committed file differs.
import { readFile, writeFile } from "node:fs/promises";
import process from "node:process";
import openapiTypescript, { astToString } from "openapi-typescript";
import ts from "typescript";

const documentUrl = new URL("../../gristmill.v1.json", import.meta.url);
const schemaUrl = new URL("../src/schema.ts", import.meta.url);

const nodes = await openapiTypescript(documentUrl, {
  // A file of a form is a Blob, where the default would be a string.
  transform: (schema) =>
    schema.format === "binary" ? ts.factory.createTypeReferenceNode(ts.factory.createIdentifier("Blob")) : undefined,
});
const generated = `// Generated from openapi/gristmill.v1.json by \`npm run generate\`. Do not edit.\n\n${astToString(nodes)}`;

if (process.argv.includes("--check")) {
  const committed = await readFile(schemaUrl, "utf8").catch(() => "");
  if (committed !== generated) {
    const [before, after] = [committed.split("\n"), generated.split("\n")];
    const line = after.findIndex((text, index) => text !== before[index]);
    console.error(`src/schema.ts is not what the OpenAPI document gives; the first difference is in line ${line + 1}:`);
    console.error(`  committed: ${before[line] ?? "(the end)"}`);
    console.error(`  generated: ${after[line] ?? "(the end)"}`);
    console.error("Run `cargo xtask ts` (or `npm run generate`) and commit the result.");
    process.exit(1);
  }
} else {
  await writeFile(schemaUrl, generated);
}
