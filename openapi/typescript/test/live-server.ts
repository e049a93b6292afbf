/** A real server on a throwaway data directory. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const READY_DEADLINE_MS = 120_000;

export interface LiveServer {
  url: string;
  /** Stops the server as an operator would, and returns its exit code. */
  stop(): Promise<number | null>;
}

export async function startServer(): Promise<LiveServer> {
  const program = process.env["GRISTMILL_BIN"] ?? build();
  const directory = await mkdtemp(join(tmpdir(), "gm-ts-"));
  const url = `http://127.0.0.1:${await freePort()}`;
  const logPath = join(directory, "server.log");
  const { DATABASE_URL: _, ...environment } = process.env;
  const server = spawn(program, ["serve"], {
    env: { ...environment, GRISTMILL_DATA_DIR: join(directory, "data"), HOST: "127.0.0.1", PORT: new URL(url).port },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const log = createWriteStream(logPath);
  server.stdout?.pipe(log, { end: false });
  server.stderr?.pipe(log, { end: false });
  try {
    await waitUntilHealthy(url, server);
  } catch (error) {
    server.kill("SIGKILL");
    throw new Error(`${String(error)}; the server's log:\n${readFileSync(logPath, "utf8")}`);
  }
  return {
    url,
    async stop() {
      const exit = once(server, "exit");
      server.kill("SIGTERM");
      const [code] = (await exit) as [number | null];
      log.end();
      await rm(directory, { recursive: true });
      return code;
    },
  };
}

async function waitUntilHealthy(url: string, server: ChildProcess): Promise<void> {
  const deadline = Date.now() + READY_DEADLINE_MS;
  while (Date.now() < deadline) {
    if (server.exitCode !== null) {
      throw new Error(`the server ended with ${server.exitCode}`);
    }
    const response = await fetch(`${url}/api/health`).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) {
      return;
    }
    await delay(50);
  }
  throw new Error(`the server is not healthy after ${READY_DEADLINE_MS} ms`);
}

/** Builds the server as `cargo xtask test` does; with an example, so that both share what is built. */
function build(): string {
  const root = fileURLToPath(new URL("../../../../", import.meta.url));
  const options = { cwd: root, encoding: "utf8", maxBuffer: 1 << 26 } as const;
  execFileSync("cargo", ["build", "-p", "gristmill-api", "--bin", "gristmill", "--example", "demo"], {
    ...options,
    stdio: "inherit",
  });
  const metadata = execFileSync("cargo", ["metadata", "--no-deps", "--format-version", "1"], options);
  return join((JSON.parse(metadata) as { target_directory: string }).target_directory, "debug/gristmill");
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
