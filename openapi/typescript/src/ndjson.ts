/** Newline-delimited JSON: one value a line; blank lines only keep the connection alive. */

/** The lines of a stream of bytes, without their ends; the last one may lack its end. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const decoder = new TextDecoder();
  const reader = stream.getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      const complete = rest.split("\n");
      rest = complete.pop() ?? "";
      for (const line of complete) {
        yield line.endsWith("\r") ? line.slice(0, -1) : line;
      }
      if (done) {
        if (rest !== "") {
          yield rest;
        }
        return;
      }
    }
  } finally {
    // Also when the caller leaves the loop: the server then sees that nobody listens.
    await reader.cancel().catch(() => {});
  }
}

/** The values of an NDJSON stream. Throws a `SyntaxError` on a line that is not JSON. */
export async function* ndjson<T>(stream: ReadableStream<Uint8Array>): AsyncGenerator<T, void, undefined> {
  for await (const line of lines(stream)) {
    if (line.trim() !== "") {
      yield JSON.parse(line) as T;
    }
  }
}
