import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { EMPTY, apply, fetchedState, put, putState } from "../src/reducer.js";
import type { Channel, InboxEvent, Picture } from "../src/reducer.js";

/** One step of a recording, and what of the picture the reducer of clients/python had after it. */
interface Step {
  put?: [channelId: string, channel: Parameters<typeof put>[2]];
  putState?: [channelId: string, state: Parameters<typeof putState>[2]];
  event?: InboxEvent;
  /** Whether what is in no log was fetched before this step. */
  fresh?: boolean;
  missing: string[];
  stale: boolean;
  /** The channels that the step changed; null: it is held no longer. */
  channels: Record<string, Channel | null>;
}

const RECORDING = new URL(process.env["PARLEY_RECORDING"] ?? "../../recorded.json", import.meta.url);
const recordings = JSON.parse(readFileSync(RECORDING, "utf8")) as Record<string, Step[]>;

function take(picture: Picture, step: Step): Picture {
  if (step.put) return put(picture, ...step.put);
  if (step.putState) return putState(picture, ...step.putState);
  return step.event ? apply(picture, step.event) : picture;
}

for (const [viewer, steps] of Object.entries(recordings)) {
  test(`${viewer} sees after each of ${steps.length} steps what the Python reducer saw`, () => {
    let picture = EMPTY;
    const expected: Record<string, Channel> = {};
    for (const [number, step] of steps.entries()) {
      picture = take(step.fresh ? fetchedState(picture) : picture, step);
      for (const [id, channel] of Object.entries(step.channels)) {
        if (channel === null) delete expected[id];
        else expected[id] = channel;
      }
      const where = `${viewer}, step ${number}`;
      assert.deepEqual(picture.channels, expected, where);
      assert.deepEqual([...picture.missing].sort(), step.missing, where);
      assert.equal(picture.stale, step.stale, where);
    }
  });

  test(`${viewer} sees the same when each event comes twice`, () => {
    let once = EMPTY;
    let twice = EMPTY;
    for (const step of steps) {
      once = take(once, step);
      twice = take(take(twice, step), step);
    }
    assert.deepEqual(twice, once);
  });
}

test("a picture that was handed out is never changed", () => {
  const steps = Object.values(recordings).flat();
  let picture = EMPTY;
  for (const step of steps) {
    const before = JSON.stringify(picture);
    const after = take(picture, step);
    assert.equal(JSON.stringify(picture), before);
    picture = after;
  }
});
