// People at the server that the suite started, and the ways to it: directly, and through a proxy that
// cuts connections when it is told to.

import WebSocket from "ws";

import { Messenger } from "../src/messenger.js";
import type { MessengerOptions } from "../src/messenger.js";
import { messagesOf } from "../src/reducer.js";
import { MemoryStore } from "../src/store.js";
import type { Store } from "../src/store.js";

export const DIRECT = needed("PARLEY_URL");
export const THROUGH_PROXY = needed("PARLEY_PROXY_URL");
const CUT = needed("PARLEY_CUT_URL");
const WITHIN_MS = 60_000;
const POLL_MS = 10;

/** Break every connection that leads through the proxy, wherever it is in what it says. */
export async function cut(): Promise<void> {
  await fetch(CUT, { method: "POST" });
}

/** Let the proxy break connections by itself, so often in all. */
export async function cutAtRandom(times: number): Promise<void> {
  await fetch(`${CUT}?times=${times}`, { method: "POST" });
}

/** How many of the cuts that were ordered are left. */
export async function cutsLeft(): Promise<number> {
  return Number(await (await fetch(CUT)).text());
}

export async function newMessenger(
  url: string,
  store: Store = new MemoryStore(),
  options: MessengerOptions = {},
): Promise<Messenger> {
  const more = { webSocketImpl: WebSocket, firstRetryMs: 100, heartbeatSeconds: 1, ...options };
  const messenger = new Messenger(url, store, more);
  await messenger.open();
  return messenger;
}

/** Somebody new, signed in. */
export async function newPerson(name: string, url: string, options: MessengerOptions = {}): Promise<Messenger> {
  const messenger = await newMessenger(url, new MemoryStore(), options);
  await signIn(messenger, name);
  return messenger;
}

export async function signIn(messenger: Messenger, name: string): Promise<void> {
  const number = `+1415${String(2_000_000 + Math.floor(Math.random() * 7_999_999))}`;
  const device = { name: "A test", platform: "WEB" } as const;
  await messenger.session.signIn(number, { name, device }, () => Promise.reject(new Error("no code")));
}

/** Run a messenger while something is done. */
export async function running<Result>(messenger: Messenger, doing: () => Promise<Result>): Promise<Result> {
  const stop = new AbortController();
  const run = messenger.run(stop.signal);
  try {
    return await Promise.race([doing(), run.then(() => Promise.reject(new Error("it ended")))]);
  } finally {
    stop.abort();
    await run.catch(() => undefined);
  }
}

export function texts(messenger: Messenger, channelId: string): (string | null)[] {
  const channel = messenger.picture.channels[channelId];
  return channel === undefined ? [] : messagesOf(channel).map(({ text }) => text);
}

export async function eventually(check: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  while (!(await check())) {
    if (Date.now() > deadline) throw new Error(`still not so after ${WITHIN_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set. Run the suite: make suites`);
  return value;
}
