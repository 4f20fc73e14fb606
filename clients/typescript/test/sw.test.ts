import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, test } from "node:test";
import { runInNewContext } from "node:vm";

interface Shown {
  title: string;
  tag: string;
  [option: string]: unknown;
}
type Listener = (event: { waitUntil(done: Promise<unknown>): void; [name: string]: unknown }) => void;

const SCRIPT = readFileSync(new URL("../../sw.js", import.meta.url), "utf8");
const PUSH = {
  action: "show",
  channel: "chn_1",
  message: "msg_1",
  thread: "chn_1",
  badge: 3,
  kind: "TEXT",
  sentAt: "2026-01-31T12:00:00.000Z",
  push: "psh_1",
  title: "Alice",
  body: "Hello",
};

let listeners: Record<string, Listener>;
let shown: Shown[];
let badge: number;
let opened: string[];
let windows: { focus(): Promise<void>; navigate(path: string): Promise<void> }[];

/** A browser's service worker, as far as the script needs one. */
beforeEach(() => {
  listeners = {};
  shown = [];
  badge = 0;
  opened = [];
  windows = [];
  const self = {
    addEventListener: (name: string, listener: Listener) => {
      listeners[name] = listener;
    },
    registration: {
      async showNotification(title: string, options: Omit<Shown, "title">) {
        shown = [...shown.filter(({ tag }) => tag !== options["tag"]), { title, ...options } as Shown];
      },
      async getNotifications({ tag }: { tag: string }) {
        const found = shown.filter((each) => each.tag === tag);
        return found.map((each) => ({ close: () => void (shown = shown.filter((other) => other !== each)) }));
      },
    },
    navigator: {
      setAppBadge: async (count: number) => void (badge = count),
      clearAppBadge: async () => void (badge = 0),
    },
    clients: {
      matchAll: async () => windows,
      openWindow: async (path: string) => void opened.push(path),
    },
  };
  runInNewContext(SCRIPT, { self, Number, Date });
});

async function dispatch(name: string, event: Record<string, unknown>): Promise<void> {
  let done: Promise<unknown> = Promise.resolve();
  listeners[name]?.({ ...event, waitUntil: (promise) => void (done = promise) });
  await done;
}

const push = (payload: object): Promise<void> => dispatch("push", { data: { json: () => payload } });

test("a push is shown, and another one of the same channel replaces it", async () => {
  await push(PUSH);
  await push({ ...PUSH, body: "Hello again", badge: 4 });

  assert.equal(shown.length, 1);
  assert.equal(shown[0]?.["body"], "Hello again");
  assert.equal(shown[0]?.["timestamp"], Date.UTC(2026, 0, 31, 12));
  assert.equal(badge, 4);
});

test("a push that is to be quiet makes no sound", async () => {
  await push({ ...PUSH, quiet: "true" });
  assert.deepEqual([shown[0]?.["silent"], shown[0]?.["renotify"]], [true, false]);
});

test("what was read elsewhere is taken back, and the badge with it", async () => {
  await push(PUSH);
  await push({ ...PUSH, thread: "chn_2", channel: "chn_2" });
  await push({ action: "clear", thread: "chn_1", channel: "chn_1", badge: 0 });

  assert.deepEqual(shown.map(({ tag }) => tag), ["chn_2"]);
  assert.equal(badge, 0);
});

test("an action that this worker does not know is shown by its title", async () => {
  await push({ ...PUSH, action: "remind" });
  assert.equal(shown[0]?.title, "Alice");
});

test("a click opens the channel, in the app's window if there is one", async () => {
  const data = { channel: "chn_1", message: "msg_1" };
  let closed = 0;
  const notification = { data, close: () => void (closed += 1) };
  await dispatch("notificationclick", { notification });
  const went: string[] = [];
  windows = [{ focus: async () => undefined, navigate: async (path) => void went.push(path) }];
  await dispatch("notificationclick", { notification });

  assert.deepEqual([closed, opened, went], [2, ["/chats/chn_1"], ["/chats/chn_1"]]);
});
