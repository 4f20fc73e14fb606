// The inbox as one endless stream over graphql-ws: it connects again, and goes on where the server
// knows that it is. The same variables are sent each time: with a `streamId`, the server begins after
// what was acknowledged under this name.

import { print } from "graphql";
import { createClient } from "graphql-ws";
import type { Client } from "graphql-ws";

import { failure } from "./failures.js";
import { InboxDocument } from "./generated/graphql.js";
import type { InboxSubscription, InboxSubscriptionVariables } from "./generated/graphql.js";
import type { InboxEvent } from "./reducer.js";
import type { Session } from "./session.js";
import { Backoff, pause } from "./waiting.js";

const SESSION_OVER = 4401;
const PING_MS = 20_000;
// The client broke the protocol, or may not connect at all: docs/errors.md.
const FAULTS = new Set([1007, 1008, 1009, 4400, 4406, 4409, 4429]);

export interface ConnectionOptions {
  /** The class of websockets, where there is no global one: that of `ws`, in Node before 22. */
  webSocketImpl?: unknown;
  /** At most, before the first new try. */
  firstRetryMs?: number;
  /** Between pings; a connection that answers none within this time is given up. */
  pingMs?: number;
}

/** Return a graphql-ws client with the newest token for each connection, patient with lost ones, and
 * quick to find silent ones. */
export function connect(session: Session, options: ConnectionOptions = {}): Client {
  const pingMs = options.pingMs ?? PING_MS;
  const backoff = new Backoff(options.firstRetryMs);
  let socket: { close(code: number, reason: string): void } | null = null;
  let silence: ReturnType<typeof setTimeout> | undefined;
  return createClient({
    url: session.url.replace(/^http/, "ws"),
    ...(options.webSocketImpl === undefined ? {} : { webSocketImpl: options.webSocketImpl }),
    connectionParams: () => ({ authorization: `Bearer ${session.tokens.accessToken}` }),
    keepAlive: pingMs,
    retryAttempts: Infinity,
    retryWait: () => pause(backoff.next()),
    shouldRetry: (error) => !FAULTS.has(codeOf(error)),
    on: {
      connected: (connected) => {
        socket = connected as typeof socket;
        backoff.reset();
      },
      ping: (received) => {
        // Ours: its answer must come before the next one.
        if (!received) silence = setTimeout(() => socket?.close(4408, "silent"), pingMs);
      },
      pong: () => clearTimeout(silence),
      closed: () => clearTimeout(silence),
    },
  });
}

/** Yield all events, at least once each, until the signal is aborted. */
export async function* inbox(
  session: Session,
  client: Client,
  variables: InboxSubscriptionVariables,
  signal: AbortSignal,
): AsyncGenerator<InboxEvent> {
  const query = print(InboxDocument);
  while (!signal.aborted) {
    const { accessToken } = session.tokens;
    const events = client.iterate<InboxSubscription>({ query, variables: { ...variables } });
    const stop = (): void => void events.return?.();
    signal.addEventListener("abort", stop);
    try {
      for await (const { data, errors } of events) {
        if (data?.inbox) yield data.inbox;
        else if (errors?.[0]) throw errors;
      }
    } catch (error) {
      await afterFailure(session, accessToken, error);
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }
}

/** Do what docs/errors.md says about a close code or an error; throws what cannot be repeated. */
async function afterFailure(session: Session, accessToken: string, error: unknown): Promise<void> {
  if (codeOf(error) === SESSION_OVER) return session.refresh(accessToken);
  if (!Array.isArray(error)) throw error;
  const [{ message, extensions = {} }] = error as [{ message: string; extensions?: Record<string, unknown> }];
  if (extensions["code"] === "UNAUTHENTICATED") return session.refresh(accessToken);
  const failed = failure(String(extensions["code"]), message, Number(extensions["retryAfterMs"] ?? 1_000));
  if (!("retryAfterMs" in failed)) throw failed;
  await pause(failed.retryAfterMs ?? 1_000);
}

/** Return the close code of a lost connection; 0 for anything else. */
export function codeOf(error: unknown): number {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "number" ? code : 0;
}
