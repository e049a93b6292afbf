/** Tokens: sent, refreshed once for all, and given up when the login has ended. */
import assert from "node:assert/strict";
import test from "node:test";
import { createClient, Session, type Tokens } from "../src/index.js";
import { fakeServer, json, refusal } from "./fake-server.js";

const tokens = (name: string): Tokens => ({ accessToken: `access-${name}`, refreshToken: `refresh-${name}` });

/** A JWT that ends so many seconds from now. */
function jwt(secondsLeft: number): string {
  const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${encode({ alg: "HS256" })}.${encode({ exp: Math.floor(Date.now() / 1000) + secondsLeft })}.signature`;
}

test("a personal access token is sent as it is, and never refreshed", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 401, refusal("unauthenticated")));
  const client = createClient({ baseUrl: `${url}/`, auth: "gmp_secret" });
  const { response, error } = await client.GET("/api/projects");
  assert.equal(response.status, 401);
  assert.equal(error?.code, "unauthenticated");
  assert.deepEqual(seen.map((request) => [request.path, request.authorization]), [["/api/projects", "Bearer gmp_secret"]]);
});

test("a refused access token is refreshed and the request sent again, body included", async (t) => {
  const { url, seen } = await fakeServer(t, (request, response) => {
    if (request.path === "/api/auth/refresh") {
      json(response, 200, tokens("new"));
    } else if (request.authorization === "Bearer access-new") {
      json(response, 201, { project: { id: "p", name: "penguins" } });
    } else {
      json(response, 401, refusal("unauthenticated"));
    }
  });
  const stored: (Tokens | undefined)[] = [];
  const session = new Session(tokens("old"), (fresh) => stored.push(fresh));
  const client = createClient({ baseUrl: url, auth: session });
  const { data } = await client.POST("/api/projects", { body: { name: "penguins" } });
  assert.equal(data?.project.name, "penguins");
  assert.deepEqual(session.tokens, tokens("new"));
  assert.deepEqual(stored, [tokens("new")]);
  assert.deepEqual(
    seen.map((request) => [request.path, request.body]),
    [
      ["/api/projects", '{"name":"penguins"}'],
      ["/api/auth/refresh", '{"refreshToken":"refresh-old"}'],
      ["/api/projects", '{"name":"penguins"}'],
    ],
  );
});

test("requests that are refused together share one refresh", async (t) => {
  const { url, seen } = await fakeServer(t, (request, response) => {
    if (request.path === "/api/auth/refresh") {
      setImmediate(() => json(response, 200, tokens("new")));
    } else {
      const accepted = request.authorization === "Bearer access-new";
      json(response, accepted ? 200 : 401, accepted ? { projects: [] } : refusal("unauthenticated"));
    }
  });
  const client = createClient({ baseUrl: url, auth: new Session(tokens("old")) });
  const answers = await Promise.all(Array.from({ length: 8 }, () => client.GET("/api/projects")));
  assert.ok(answers.every(({ response }) => response.status === 200));
  assert.equal(seen.filter((request) => request.path === "/api/auth/refresh").length, 1);
});

test("a login that has ended is given up, and the 401 reaches the caller", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 401, refusal("unauthenticated")));
  const stored: (Tokens | undefined)[] = [];
  const session = new Session(tokens("old"), (fresh) => stored.push(fresh));
  const { response, error } = await createClient({ baseUrl: url, auth: session }).GET("/api/projects");
  assert.equal(response.status, 401);
  assert.equal(error?.error, "refused: unauthenticated");
  assert.equal(session.tokens, undefined);
  assert.deepEqual(stored, [undefined]);
  assert.deepEqual(seen.map((request) => request.path), ["/api/projects", "/api/auth/refresh"]);
});

test("a server that is down for the refresh does not end the login", async (t) => {
  const { url } = await fakeServer(t, (request, response) => {
    const refreshing = request.path === "/api/auth/refresh";
    json(response, refreshing ? 503 : 401, refusal(refreshing ? "unavailable" : "unauthenticated"));
  });
  const session = new Session(tokens("old"));
  const { response } = await createClient({ baseUrl: url, auth: session }).GET("/api/projects");
  assert.equal(response.status, 401);
  assert.deepEqual(session.tokens, tokens("old"));
});

test("a token that says it has ended is refreshed before it is sent", async (t) => {
  const fresh = { accessToken: jwt(600), refreshToken: "refresh-new" };
  const { url, seen } = await fakeServer(t, (request, response) => {
    json(response, 200, request.path === "/api/auth/refresh" ? fresh : { projects: [] });
  });
  const session = new Session({ accessToken: jwt(5), refreshToken: "refresh-old" });
  const client = createClient({ baseUrl: url, auth: session });
  await client.GET("/api/projects");
  await client.GET("/api/projects");
  assert.deepEqual(
    seen.map((request) => [request.path, request.authorization]),
    [
      ["/api/auth/refresh", undefined],
      ["/api/projects", `Bearer ${fresh.accessToken}`],
      ["/api/projects", `Bearer ${fresh.accessToken}`],
    ],
  );
});

test("public operations send no token, and their 401 is no reason to refresh", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 401, refusal("invalid_credentials")));
  const client = createClient({ baseUrl: url, auth: new Session(tokens("old")) });
  const { response } = await client.POST("/api/auth/login", { body: { email: "a@example.org", password: "wrong" } });
  assert.equal(response.status, 401);
  assert.deepEqual(seen.map((request) => [request.path, request.authorization]), [["/api/auth/login", undefined]]);
});

test("linking Google is done by a caller, signing in with it is not", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 200, { message: "done" }));
  const client = createClient({ baseUrl: url, auth: new Session(tokens("old")) });
  await client.POST("/api/auth/google/callback", { body: { code: "c" } });
  await client.POST("/api/auth/google/link", { body: { code: "c" } });
  assert.deepEqual(
    seen.map((request) => [request.path, request.authorization]),
    [
      ["/api/auth/google/callback", undefined],
      ["/api/auth/google/link", "Bearer access-old"],
    ],
  );
});

test("a file is sent as a form, everything else as JSON", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 400, refusal("validation_failed")));
  const client = createClient({ baseUrl: url, auth: new Session(tokens("old")) });
  await client.POST("/api/upload/dataset", {
    body: { file: new File(["a,b\n1,2\n"], "ö.csv"), projectId: "7f0c3f0e-0000-4000-8000-000000000000" },
  });
  const [upload] = seen;
  assert.match(upload?.contentType ?? "", /^multipart\/form-data; boundary=/);
  assert.match(upload?.body ?? "", /name="file"; filename="ö\.csv"/);
  assert.match(upload?.body ?? "", /a,b\n1,2\n/);
  assert.match(upload?.body ?? "", /name="projectId"\r\n\r\n7f0c3f0e-/);
});
