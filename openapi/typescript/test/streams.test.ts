/** NDJSON and server-sent events, cut wherever a network may cut them. */
import assert from "node:assert/strict";
import test from "node:test";
import { ndjson, type ServerSentEvent, serverSentEvents } from "../src/index.js";

/** The bytes of a text in pieces of a size, so that characters and lines are cut. */
function inPieces(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let start = 0; start < bytes.length; start += size) {
        controller.enqueue(bytes.slice(start, start + size));
      }
      controller.close();
    },
  });
}

async function all<T>(values: AsyncIterable<T>): Promise<T[]> {
  const collected: T[] = [];
  for await (const value of values) {
    collected.push(value);
  }
  return collected;
}

test("NDJSON values come whole, however the bytes are cut", async () => {
  const text = '{"seq":1,"message":"größer 🐧"}\n\n  \n{"seq":2}\r\n{"seq":3}';
  for (const size of [1, 2, 3, 7, 1000]) {
    const values = await all(ndjson<{ seq: number; message?: string }>(inPieces(text, size)));
    assert.deepEqual(values, [{ seq: 1, message: "größer 🐧" }, { seq: 2 }, { seq: 3 }]);
  }
  assert.deepEqual(await all(ndjson(inPieces("", 1))), []);
});

test("a line that is not JSON is an error after the values before it", async () => {
  const values: unknown[] = [];
  await assert.rejects(async () => {
    for await (const value of ndjson(inPieces('{"seq":1}\nnonsense\n', 5))) {
      values.push(value);
    }
  }, SyntaxError);
  assert.deepEqual(values, [{ seq: 1 }]);
});

test("leaving the loop closes the stream", async () => {
  let closed = false;
  const endless = new ReadableStream<Uint8Array>({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode('{"seq":1}\n'));
    },
    cancel() {
      closed = true;
    },
  });
  for await (const value of ndjson<{ seq: number }>(endless)) {
    assert.equal(value.seq, 1);
    break;
  }
  assert.ok(closed);
});

test("server-sent events have type, id and data; comments and cut events are dropped", async () => {
  const text =
    ':\n\nid: 1\nevent: job_started\ndata: {"seq":1}\n\n: alive\n\ndata: {"seq":\ndata: 2}\nid: 2\nunknown: x\n\n' +
    "event: nothing\n\ndata: {\"cut\":true}\n";
  const expected: ServerSentEvent<unknown>[] = [
    { event: "job_started", id: "1", data: { seq: 1 } },
    { event: "message", id: "2", data: { seq: 2 } },
  ];
  for (const size of [1, 4, 1000]) {
    assert.deepEqual(await all(serverSentEvents(inPieces(text, size))), expected);
  }
});
