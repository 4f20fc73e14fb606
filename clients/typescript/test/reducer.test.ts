import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { EMPTY, apply, fetchedState, put, putSent, putState } from "../src/reducer.js";
import type { Channel, InboxEvent, Message, Picture } from "../src/reducer.js";

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

const POSITION = { userId: "usr_1", deliveredSeq: 0, readSeq: 0 };

function message(seq: number): Message {
  return { seq, channelId: "chn_1", sender: { id: "usr_1" }, status: null, deletedAt: null } as Message;
}

function added(seq: number): InboxEvent {
  return { __typename: "MessageAdded", channelId: "chn_1", seq, at: "", message: message(seq) };
}

/** A chat that is held up to its fourth entry, with its last message. */
function held(): Picture {
  const channel = { __typename: "Chat", id: "chn_1", lastSeq: 4, position: POSITION, mutedUntil: null };
  const lists = { members: { nodes: [] }, messages: { nodes: [message(4)] } };
  return put(EMPTY, "chn_1", { ...channel, ...lists } as unknown as Parameters<typeof put>[2]);
}

test("the answer to a send may come before the entries that are before it", () => {
  const ahead = putSent(held(), message(6));
  const after = apply(apply(ahead, added(5)), added(6));
  assert.deepEqual(Object.keys(after.channels["chn_1"]?.messages ?? {}), ["4", "5", "6"]);
});

test("a change of a message on a page that is not held leaves no hole", () => {
  const change = { __typename: "MessageUpdated", change: "EDITED", channelId: "chn_1", seq: 5, at: "" };
  const after = apply(held(), { ...change, message: message(2) } as InboxEvent);
  assert.deepEqual(Object.keys(after.channels["chn_1"]?.messages ?? {}), ["4"]);
  assert.equal(after.channels["chn_1"]?.lastSeq, 5);
});

test("a channel of which an entry is missing is fetched again", () => {
  assert.deepEqual(apply(held(), added(6)).missing, ["chn_1"]);
});
