// Runs the protocol's own test suite against a server: node run.mjs SERVER_URL PROXY_PORT
//
// The suite knows no tokens, so it speaks to a proxy that adds one and leaves everything else as it is, `Host` and `Origin`
// among it, which the suite makes up. The server must have `GRISTMILL_MCP_FIXTURES=1` and the proxy's origin among its
// ALLOWED_ORIGINS.

import { spawn } from "node:child_process";
import http from "node:http";
import { fileURLToPath } from "node:url";

/** What is run, one after the other: each revision by its frozen requirements, where the suite has them. */
const RUNS = [
  { revision: "2025-06-18", options: ["--spec-version", "2025-06-18"] },
  { revision: "2025-11-25", options: ["--requirements", "2025-11-25"] },
  { revision: "2026-07-28", options: ["--requirements", "2026-07-28"] },
];
const SUITE = fileURLToPath(new URL("node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url));
const TOTAL = /Total: (\d+) passed, (\d+) failed/;

async function post(url, token, body) {
  const headers = { "content-type": "application/json", ...(token && { authorization: `Bearer ${token}` }) };
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  if (!response.ok) {
    throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  }
  return response.json();
}

/** A token that outlives the run. */
async function token(server) {
  const email = `mcp-${process.pid}-${Date.now()}@example.org`;
  const account = { email, name: "MCP", password: `not a secret ${process.pid} ${Date.now()}` };
  const { accessToken } = await post(`${server}/api/auth/register`, null, account);
  const made = await post(`${server}/api/auth/tokens`, accessToken, { name: "suite", scopes: ["read", "write"] });
  return made.secret;
}

/** Passes requests on, with a token. */
function proxy(server, secret) {
  const { hostname, port } = new URL(server);
  return http.createServer((request, response) => {
    const headers = ["authorization", `Bearer ${secret}`];
    for (let at = 0; at + 1 < request.rawHeaders.length; at += 2) {
      if (request.rawHeaders[at].toLowerCase() !== "authorization") {
        headers.push(request.rawHeaders[at], request.rawHeaders[at + 1]);
      }
    }
    const { method, url: path } = request;
    const forwarded = http.request({ hostname, port, method, path, headers, agent: false }, (answer) => {
      response.writeHead(answer.statusCode, answer.rawHeaders);
      response.flushHeaders();
      answer.pipe(response);
      answer.on("error", () => response.destroy());
    });
    forwarded.on("error", () => response.destroy());
    response.on("close", () => forwarded.destroy());
    request.pipe(forwarded);
  });
}

/** Runs the suite once. Its own exit code says whether something that is required failed. */
function run(url, { revision, options }) {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SUITE, "server", "--url", url, ...options], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text) => {
      said += text;
      process.stdout.write(text);
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const total = TOTAL.exec(said);
      const told = total ? `${total[1]} passed, ${total[2]} failed` : "no total";
      resolve({ revision, told, ok: code === 0 && total !== null && Number(total[1]) > 0 });
    });
  });
}

const [server, port] = process.argv.slice(2);
const passing = proxy(server, await token(server));
await new Promise((resolve) => passing.listen(Number(port), "127.0.0.1", resolve));
const closings = [];
for (const one of RUNS) {
  closings.push(await run(`http://127.0.0.1:${port}/api/mcp`, one));
}
passing.closeAllConnections();
passing.close();
console.log();
for (const { revision, told, ok } of closings) {
  console.log(`MCP ${revision}: ${told}${ok ? "" : " (something required failed)"}`);
}
process.exitCode = closings.every((closing) => closing.ok) ? 0 : 1;
