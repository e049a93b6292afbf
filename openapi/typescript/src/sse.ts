/** Server-sent events, for what `EventSource` cannot do: an `Authorization` header. */
import { lines } from "./ndjson.js";

/** One event; `data` is parsed JSON. */
export interface ServerSentEvent<T> {
  /** The event's type; `message` when the server named none. */
  event: string;
  /** The last id the server sent: send it as `Last-Event-ID` to go on from here. */
  id: string | undefined;
  data: T;
}

/** The events of a `text/event-stream`. An event that the end of the stream cuts off is dropped, as the standard says. */
export async function* serverSentEvents<T>(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<ServerSentEvent<T>, void, undefined> {
  let event = "";
  let data: string[] = [];
  let id: string | undefined;
  for await (const line of lines(stream)) {
    if (line === "") {
      if (data.length > 0) {
        yield { event: event || "message", id, data: JSON.parse(data.join("\n")) as T };
      }
      event = "";
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") {
      event = value;
    } else if (field === "data") {
      data.push(value);
    } else if (field === "id" && !value.includes("\0")) {
      id = value;
    }
  }
}
