/** Following a job: its event log is durable, so a broken connection loses nothing. */
import type { GristmillClient } from "./index.js";
import { ndjson } from "./ndjson.js";
import type { components } from "./schema.js";

/** One event of a job's log: `seq`, `type`, `timestamp`, and the event's own fields. */
export type JobEvent = components["schemas"]["JobEventView"];

export interface FollowOptions {
  /** Only events with a larger `seq`; all by default. */
  after?: number;
  /** Stops following. The job goes on: `POST /api/jobs/{id}/cancel` stops that. */
  signal?: AbortSignal;
  /** How often in a row to connect again when the connection breaks before any new event; 5 by default. */
  reconnectsMax?: number;
}

const CLOSING: ReadonlySet<string> = new Set(["job_succeeded", "job_failed", "job_cancelled"]);

/** Whether an event is the last one of its job's log. */
export function isClosing(event: JobEvent): boolean {
  return CLOSING.has(event.type);
}

/**
 * The events of a job, from the beginning (or `after`) to the one that closes its log. Connects again, where it left
 * off, when the connection breaks. Throws what the server answers when it refuses, and when it stays away.
 */
export async function* followJob(
  client: GristmillClient,
  jobId: string,
  options: FollowOptions = {},
): AsyncGenerator<JobEvent, void, undefined> {
  const { signal, reconnectsMax = 5 } = options;
  let after = options.after ?? 0;
  for (let attempt = 0; ; attempt += 1) {
    let failure: unknown = new Error(`the log of job ${jobId} ended before the job did`);
    try {
      const stream = await open(client, jobId, after, signal);
      for await (const event of ndjson<JobEvent>(stream)) {
        after = event.seq;
        attempt = 0;
        yield event;
        if (isClosing(event)) {
          return;
        }
      }
    } catch (error) {
      failure = error;
    }
    if (signal?.aborted || failure instanceof Refusal || attempt >= reconnectsMax) {
      throw failure;
    }
    await new Promise((resolve) => setTimeout(resolve, Math.min(100 * 2 ** attempt, 5_000)));
  }
}

/** The server answered, and the answer was no: asking again would not change it. */
class Refusal extends Error {}

async function open(
  client: GristmillClient,
  jobId: string,
  after: number,
  signal: AbortSignal | undefined,
): Promise<ReadableStream<Uint8Array>> {
  const { data, error, response } = await client.GET("/api/jobs/{id}/events", {
    params: { path: { id: jobId }, query: { after } },
    headers: { Accept: "application/x-ndjson" },
    parseAs: "stream",
    ...(signal && { signal }),
  });
  if (response.ok && data) {
    return data as ReadableStream<Uint8Array>;
  }
  const message = `${response.status}: ${error?.error ?? response.statusText}`;
  throw response.status < 500 && response.status !== 429 ? new Refusal(message) : new Error(message);
}
