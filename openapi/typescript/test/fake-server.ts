/** A server of a few lines, for what a real one cannot be made to do at will. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

export interface Seen {
  method: string;
  path: string;
  authorization: string | undefined;
  contentType: string | undefined;
  body: string;
}

/** Starts a server for one test, and returns its URL and the requests it has seen. */
export async function fakeServer(
  test: TestContext,
  answer: (request: Seen, response: ServerResponse, message: IncomingMessage) => void,
): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (message, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of message) {
      chunks.push(chunk as Buffer);
    }
    const request = {
      method: message.method ?? "",
      path: message.url ?? "",
      authorization: message.headers.authorization,
      contentType: message.headers["content-type"],
      body: Buffer.concat(chunks).toString("utf8"),
    };
    seen.push(request);
    answer(request, response, message);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  test.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(body));
}

/** The error body of the API. */
export function refusal(code: string): { error: string; code: string; requestId: string } {
  return { error: `refused: ${code}`, code, requestId: "r" };
}
