/** The client against a real server: what the README promises to a TypeScript program. */
import assert from "node:assert/strict";
import test from "node:test";
import {
  createClient,
  followJob,
  type GristmillClient,
  isClosing,
  type JobEvent,
  type Schemas,
  type ServerSentEvent,
  serverSentEvents,
  Session,
} from "../src/index.js";
import { startServer } from "./live-server.js";

const CSV = "species,mass_g\nAdelie,3750\nAdelie,3800\nGentoo,5000\nGentoo,\n";

async function register(url: string, name: string): Promise<{ client: GristmillClient; session: Session }> {
  const session = new Session();
  const client = createClient({ baseUrl: url, auth: session });
  const { data, error } = await client.POST("/api/auth/register", {
    body: { email: `${name}@example.org`, password: "correct horse battery", name },
  });
  assert.ok(data, JSON.stringify(error));
  session.tokens = data;
  return { client, session };
}

test("a program works with a live server through the client", { timeout: 300_000 }, async (t) => {
  const server = await startServer();
  t.after(async () => assert.equal(await server.stop(), 0, "the server stops cleanly"));
  const { client, session } = await register(server.url, "ada");
  let project: Schemas["ProjectView"] | undefined;
  let job: Schemas["JobView"] | undefined;

  await t.test("an unknown caller is told so, with a code", async () => {
    const { response, error } = await createClient({ baseUrl: server.url }).GET("/api/projects");
    assert.equal(response.status, 401);
    assert.ok(error?.code);
    assert.ok(error.requestId);
  });

  await t.test("a project is made and listed", async () => {
    const created = await client.POST("/api/projects", { body: { name: "Penguins" } });
    assert.equal(created.response.status, 201, JSON.stringify(created.error));
    project = created.data?.project;
    const { data } = await client.GET("/api/projects");
    assert.deepEqual(data?.projects.map(({ id }) => id), [project?.id]);
  });

  await t.test("a bad body is refused with the field", async () => {
    const { response, error } = await client.POST("/api/projects", { body: { name: "" } });
    assert.equal(response.status, 400);
    assert.deepEqual(error?.fields?.map(({ path }) => path), ["name"]);
  });

  await t.test("a file becomes a table that answers SQL", async () => {
    assert.ok(project);
    const uploaded = await client.POST("/api/upload/dataset", {
      body: { file: new File([CSV], "penguins.csv"), projectId: project.id },
    });
    assert.equal(uploaded.response.status, 201, JSON.stringify(uploaded.error));
    const dataset = uploaded.data && "dataset" in uploaded.data ? uploaded.data.dataset : undefined;
    assert.equal(dataset?.n_rows, 4);
    assert.equal(dataset.queryable, true);
    const { data, error } = await client.POST("/api/query/sql", {
      body: {
        projectId: project.id,
        sql: `select species, count(*) as n, sum(mass_g) as mass from ${dataset.tableName} group by species order by 1`,
      },
    });
    assert.ok(data, JSON.stringify(error));
    assert.equal(data.query.rowCount, 2);
    assert.equal(data.query.truncated, false);
    assert.deepEqual(data.query.rows.map((row) => (row as { species: string }).species), ["Adelie", "Gentoo"]);
  });

  await t.test("SQL that may not run is refused with a code", async () => {
    assert.ok(project);
    const { response, error } = await client.POST("/api/query/sql", {
      body: { projectId: project.id, sql: "drop table penguins" },
    });
    assert.equal(response.status, 400);
    assert.ok(error?.code);
  });

  await t.test("an upload can be followed as a job, as NDJSON and as server-sent events", async () => {
    assert.ok(project);
    const accepted = await client.POST("/api/upload/dataset", {
      params: { header: { Prefer: "respond-async" } },
      body: { file: new File([CSV], "more.csv"), projectId: project.id },
    });
    assert.equal(accepted.response.status, 202, JSON.stringify(accepted.error));
    job = accepted.data && "job" in accepted.data ? accepted.data.job : undefined;
    assert.ok(job);
    const events: JobEvent[] = [];
    for await (const event of followJob(client, job.jobId)) {
      events.push(event);
    }
    assert.deepEqual(events.map(({ seq }) => seq), events.map((_, index) => index + 1));
    assert.equal(events.at(-1)?.type, "job_succeeded");

    const later: JobEvent[] = [];
    for await (const event of followJob(client, job.jobId, { after: events.length - 1 })) {
      later.push(event);
    }
    assert.deepEqual(later, events.slice(-1));

    const response = await fetch(`${server.url}/api/jobs/${job.jobId}/events`, {
      headers: { Accept: "text/event-stream", Authorization: `Bearer ${session.tokens?.accessToken}` },
    });
    assert.ok(response.body);
    const sent: ServerSentEvent<JobEvent>[] = [];
    for await (const event of serverSentEvents<JobEvent>(response.body)) {
      sent.push(event);
    }
    assert.deepEqual(sent.map(({ data }) => data), events);
    assert.deepEqual(sent.map(({ id }) => id), events.map(({ seq }) => String(seq)));
    assert.ok(isClosing(sent.at(-1)?.data as JobEvent));

    const { data } = await client.GET("/api/jobs/{id}", { params: { path: { id: job.jobId } } });
    assert.equal(data?.job.status, "succeeded");
  });

  await t.test("a refused access token is refreshed on the way", async () => {
    const { accessToken, refreshToken } = session.tokens ?? assert.fail("nobody is logged in");
    const restarted = new Session({ accessToken: `${accessToken}x`, refreshToken });
    const { response } = await createClient({ baseUrl: server.url, auth: restarted }).GET("/api/projects");
    assert.equal(response.status, 200);
    assert.notEqual(restarted.tokens?.refreshToken, refreshToken);
    session.tokens = restarted.tokens;
  });

  await t.test("a stranger sees neither the project nor the job", async () => {
    const { client: stranger } = await register(server.url, "eve");
    assert.ok(project && job);
    const found = await stranger.GET("/api/projects/{id}", { params: { path: { id: project.id } } });
    assert.equal(found.response.status, 404);
    await assert.rejects(async () => {
      for await (const event of followJob(stranger, job?.jobId ?? "")) {
        assert.fail(`the stranger got event ${event.seq}`);
      }
    }, /^Error: 404/);
  });
});
