import "fake-indexeddb/auto";

import assert from "node:assert/strict";
import { test } from "node:test";

import { BrowserStore, MemoryStore } from "../src/store.js";
import type { Store } from "../src/store.js";

/** Each store, and what another start of the app opens. */
const STORES: Record<string, () => { store: Store; again: () => Store }> = {
  "in memory": () => {
    const store = new MemoryStore();
    return { store, again: () => store };
  },
  "in a browser's database": () => {
    const name = crypto.randomUUID();
    return { store: new BrowserStore(name), again: () => new BrowserStore(name) };
  },
};

for (const [where, open] of Object.entries(STORES)) {
  test(`rows ${where} are there again, and null deletes one`, async () => {
    const { store, again } = open();
    await store.save({ "outbox/1": { text: "Hello" }, session: ["a", "b"] });
    await store.save({ session: null, picture: { channels: {} } });

    assert.deepEqual(await again().load(), { "outbox/1": { text: "Hello" }, picture: { channels: {} } });
  });

  test(`a row that cannot be stored ${where} leaves the others as they were`, async () => {
    const { store, again } = open();
    await store.save({ held: 1 });
    const circle: Record<string, unknown> = { act: () => undefined };
    circle["itself"] = circle;

    await assert.rejects(store.save({ held: 2, circle }));

    assert.deepEqual(await again().load(), { held: 1 });
  });
}
