// What every recipe needs of the session: requests with its token, and what to do when it ends.

import { SignedOut } from "../failures.js";
import { codeOf } from "../inbox.js";
import type { InboxEvent } from "../reducer.js";
import type { Session } from "../session.js";

const SESSION_OVER = 4401;

/** Return a `fetch` that sends the session's token, and refreshes and asks once more where the server
 * does not take it. Give it to HttpLink, to urql's Client, or call it in Relay's network layer. */
export function authorizedFetch(session: Session): typeof fetch {
  return async (input, init) => {
    const ask = (): Promise<Response> => {
      const headers = new Headers(init?.headers);
      headers.set("authorization", `Bearer ${session.tokens.accessToken}`);
      return fetch(input, { ...init, headers });
    };
    const { accessToken } = session.tokens;
    const response = await ask();
    if (!(await isRejected(response.clone()))) return response;
    await session.refresh(accessToken);
    return ask();
  };
}

async function isRejected(response: Response): Promise<boolean> {
  if (response.status === 401) return true;
  const { errors } = (await response.json().catch(() => ({}))) as {
    errors?: { extensions?: { code?: string } }[];
  };
  return errors?.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED") ?? false;
}

export interface Following {
  /** Gets each event, after the cache took it. */
  onEvent?: (event: InboxEvent) => void;
  /** Resolves when the cache is on the disk, if it is kept there: only then is a cursor acknowledged. */
  stored?: () => Promise<void>;
  /** Gets each cursor that the server has taken. */
  onAcknowledged?: (cursor: string) => void;
  /** Gets what cannot be repaired, for example SignedOut. */
  over?: (error: unknown) => void;
}

/** Return what takes the events of a library, once its cache has them. */
export function taking(
  { onEvent, stored, onAcknowledged }: Following,
  acknowledge: (cursor: string) => Promise<unknown>,
): (event: InboxEvent) => void {
  const take = async (cursor: string): Promise<void> => {
    await stored?.();
    await acknowledge(cursor);
    onAcknowledged?.(cursor);
  };
  return (event) => {
    onEvent?.(event);
    // If it fails, the next cursor covers everything of this one.
    if ("cursor" in event) take(event.cursor).catch(() => undefined);
  };
}

/** Keep a subscription up: graphql-ws connects again by itself, but gives up when a session is over
 * (4401). Then the session is refreshed, and `subscribe` is called again with the same variables.
 * Returns what stops it. */
export function subscribing(
  session: Session,
  subscribe: (ended: (error: unknown) => void) => () => void,
  over: (error: unknown) => void = console.error,
): () => void {
  let stop = (): void => undefined;
  let isStopped = false;
  const start = (): void => {
    if (isStopped) return;
    const { accessToken } = session.tokens;
    stop = subscribe((error) => {
      if (isStopped) return;
      if (sessionIsOver(error)) session.refresh(accessToken).then(start, over);
      else over(error);
    });
  };
  start();
  return () => {
    isStopped = true;
    stop();
  };
}

/** Say whether an error means that the access token is not valid, wherever a library put that. */
function sessionIsOver(error: unknown): boolean {
  if (error instanceof SignedOut || error === null || typeof error !== "object") return false;
  const { networkError, cause, graphQLErrors, errors } = error as Record<string, unknown>;
  const listed = [graphQLErrors, errors, error].flat() as { extensions?: { code?: string } }[];
  return (
    [error, networkError, cause].some(isSessionOver) ||
    listed.some((each) => each?.extensions?.code === "UNAUTHENTICATED")
  );
}

/** Apollo has the close code in the text of its error only. */
function isSessionOver(error: unknown): boolean {
  const { message = "" } = (error ?? {}) as { message?: string };
  return codeOf(error) === SESSION_OVER || message.startsWith(`Socket closed with event ${SESSION_OVER}`);
}
