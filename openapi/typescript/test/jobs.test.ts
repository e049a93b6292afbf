/** Following a job over connections that break. */
import assert from "node:assert/strict";
import test from "node:test";
import { createClient, followJob, type JobEvent } from "../src/index.js";
import { fakeServer, json, refusal } from "./fake-server.js";

const event = (seq: number, type: string): string =>
  `${JSON.stringify({ seq, type, timestamp: "2026-01-31T10:20:30.123Z" })}\n`;

async function sequence(events: AsyncIterable<JobEvent>): Promise<[number, string][]> {
  const collected: [number, string][] = [];
  for await (const { seq, type } of events) {
    collected.push([seq, type]);
  }
  return collected;
}

test("a broken connection is taken up where it was left", async (t) => {
  const answers = [event(1, "job_queued") + event(2, "job_started"), `\n${event(3, "progress")}`, event(4, "job_succeeded")];
  const { url, seen } = await fakeServer(t, (_, response) => {
    response.writeHead(200, { "Content-Type": "application/x-ndjson" });
    response.write(answers[seen.length - 1] ?? "");
    // The second connection is cut, the first ends too early.
    setImmediate(() => (seen.length === 2 ? response.destroy() : response.end()));
  });
  const events = await sequence(followJob(createClient({ baseUrl: url }), "j"));
  assert.deepEqual(events, [[1, "job_queued"], [2, "job_started"], [3, "progress"], [4, "job_succeeded"]]);
  assert.deepEqual(seen.map((request) => request.path), [
    "/api/jobs/j/events?after=0",
    "/api/jobs/j/events?after=2",
    "/api/jobs/j/events?after=3",
  ]);
});

test("a job that is not the caller's is refused at once", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 404, refusal("job_not_found")));
  await assert.rejects(sequence(followJob(createClient({ baseUrl: url }), "j")), /404: refused: job_not_found/);
  assert.equal(seen.length, 1);
});

test("a server that stays away is given up", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => json(response, 503, refusal("unavailable")));
  const events = followJob(createClient({ baseUrl: url }), "j", { reconnectsMax: 2 });
  await assert.rejects(sequence(events), /503: refused: unavailable/);
  assert.equal(seen.length, 3);
});

test("following stops when asked to", async (t) => {
  const { url, seen } = await fakeServer(t, (_, response) => {
    response.writeHead(200, { "Content-Type": "application/x-ndjson" });
    response.write(event(1, "job_queued"));
  });
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const { seq } of followJob(createClient({ baseUrl: url }), "j", { signal: controller.signal })) {
      assert.equal(seq, 1);
      controller.abort();
    }
  }, { name: "AbortError" });
  assert.equal(seen.length, 1);
});
