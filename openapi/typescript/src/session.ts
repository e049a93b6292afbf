/** Who the caller is: a personal access token, or a login whose short-lived access token is refreshed when it ends. */
import type { Middleware } from "openapi-fetch";
import type { components } from "./schema.js";

/** The tokens of a login; what register, login and refresh answer has them. */
export type Tokens = components["schemas"]["TokenPairView"];

/** Operations that take no access token: a 401 of theirs is about what was sent. */
const PUBLIC = /\/api\/auth\/(login|register|refresh|forgot-password|reset-password|verify-email|google(?!\/link))(\/|$)/;

/** How long before its end an access token counts as ended, for clocks that differ. */
const EXPIRY_MARGIN_MS = 30_000;

/** A login. Several clients may share one. */
export class Session {
  #tokens: Tokens | undefined;
  #refreshing: Promise<Tokens | undefined> | undefined;
  readonly #onChange: (tokens: Tokens | undefined) => void;

  /** `onChange` hears of new tokens, to store them, and of `undefined` when the login has ended. */
  constructor(tokens?: Tokens, onChange: (tokens: Tokens | undefined) => void = () => {}) {
    this.#tokens = tokens;
    this.#onChange = onChange;
  }

  /** The tokens of the moment; `undefined` when nobody is logged in. */
  get tokens(): Tokens | undefined {
    return this.#tokens;
  }

  /** Takes the tokens of a new login, or ends this one here; the server is told by `POST /api/auth/logout`. */
  set tokens(tokens: Tokens | undefined) {
    this.#tokens = tokens && { accessToken: tokens.accessToken, refreshToken: tokens.refreshToken };
    this.#onChange(this.#tokens);
  }

  /** The access token to send, refreshed when it has ended. */
  async accessToken(origin: string, send: (request: Request) => Promise<Response>): Promise<string | undefined> {
    const current = this.#tokens;
    if (current === undefined || !hasEnded(current.accessToken)) {
      return current?.accessToken;
    }
    return (await this.refresh(current.accessToken, origin, send))?.accessToken;
  }

  /** New tokens in place of `refused`; all who ask meanwhile share one request. */
  async refresh(
    refused: string,
    origin: string,
    send: (request: Request) => Promise<Response>,
  ): Promise<Tokens | undefined> {
    const current = this.#tokens;
    if (current === undefined || current.accessToken !== refused) {
      return current;
    }
    this.#refreshing ??= this.#exchange(current, origin, send).finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  async #exchange(
    current: Tokens,
    origin: string,
    send: (request: Request) => Promise<Response>,
  ): Promise<Tokens | undefined> {
    const response = await send(
      new Request(`${origin}/api/auth/refresh`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ refreshToken: current.refreshToken }),
      }),
    );
    if (response.ok) {
      this.tokens = (await response.json()) as Tokens;
    } else {
      await response.body?.cancel();
      // 401: the login has ended. Anything else (the server is restarting) says nothing about it.
      if (response.status === 401) {
        this.tokens = undefined;
      }
    }
    return this.#tokens === current ? undefined : this.#tokens;
  }
}

/** Adds the token to each request; sends a request that a session's token was refused for once more with a new one. */
export function bearer(auth: string | Session, send: (request: Request) => Promise<Response>): Middleware {
  const again = new WeakMap<Request, Request>();
  return {
    async onRequest({ request }) {
      if (PUBLIC.test(new URL(request.url).pathname)) {
        return undefined;
      }
      const token = typeof auth === "string" ? auth : await auth.accessToken(new URL(request.url).origin, send);
      if (token === undefined) {
        return undefined;
      }
      request.headers.set("Authorization", `Bearer ${token}`);
      // A copy of a form would hold its files in memory. Its token was looked at just now, so it is not copied.
      if (typeof auth !== "string" && !request.headers.get("Content-Type")?.startsWith("multipart/")) {
        again.set(request, request.clone());
      }
      return request;
    },
    async onResponse({ request, response }) {
      const copy = again.get(request);
      again.delete(request);
      if (response.status !== 401 || copy === undefined || typeof auth === "string") {
        return undefined;
      }
      const refused = copy.headers.get("Authorization")?.slice("Bearer ".length) ?? "";
      const tokens = await auth.refresh(refused, new URL(request.url).origin, send);
      if (tokens === undefined) {
        return undefined;
      }
      await response.body?.cancel();
      copy.headers.set("Authorization", `Bearer ${tokens.accessToken}`);
      return send(copy);
    },
  };
}

/** Whether a JWT says that it has ended. One that cannot be read is left to the server. */
function hasEnded(token: string): boolean {
  try {
    const payload = token.split(".")[1] ?? "";
    const { exp } = JSON.parse(atob(payload.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: unknown };
    return typeof exp === "number" && exp * 1000 - EXPIRY_MARGIN_MS < Date.now();
  } catch {
    return false;
  }
}
