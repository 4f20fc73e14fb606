import assert from "node:assert/strict";
import { test } from "node:test";

import { FetchChannelDocument } from "../src/generated/graphql.js";
import { EMPTY, messagesOf, put } from "../src/reducer.js";
import type { Messenger } from "../src/messenger.js";
import { MemoryStore } from "../src/store.js";
import {
  DIRECT,
  THROUGH_PROXY,
  cut,
  cutAtRandom,
  cutsLeft,
  eventually,
  newMessenger,
  newPerson,
  running,
  signIn,
  texts,
} from "./world.js";

const MESSAGES = 120;
const CUTS = 25;

/** What the server has of a channel, as a client that starts now would see it. */
async function fresh(messenger: Messenger, id: string): Promise<object> {
  const { channel } = await messenger.session.ask(FetchChannelDocument, { id });
  const seen = put(EMPTY, id, channel).channels[id];
  assert(seen !== undefined);
  return seen;
}

test("two people who are cut at any byte come to the same conversation, and lose no send", async () => {
  const alice = await newPerson("Alice", THROUGH_PROXY);
  const bob = await newPerson("Bob", THROUGH_PROXY);
  const chat = await alice.openChat(bob.session.tokens.userId);
  // A channel that is fetched while messages flow begins with its last page.
  await bob.openChat(alice.session.tokens.userId);
  await running(alice, () =>
    running(bob, async () => {
      const areThere = (): boolean => [alice, bob].every(({ picture }) => chat in picture.channels);
      await eventually(areThere, "both hold the chat");
      await cutAtRandom(CUTS);
      const written: string[] = [];
      const writer = (n: number): Messenger => (n % 3 ? alice : bob);
      const write = async (): Promise<boolean> => {
        const n = written.length;
        written.push(`message ${n}`);
        await writer(n).send(chat, `message ${n}`);
        return n >= MESSAGES && (await cutsLeft()) === 0;
      };
      await eventually(write, "all cuts were made");
      const ends = (): boolean =>
        [alice, bob].every(
          (each) => each.outbox.drafts.length === 0 && texts(each, chat).length >= written.length,
        );
      await eventually(ends, "both have all messages, and have sent theirs");

      assert.deepEqual([...texts(alice, chat)].sort(), [...written].sort());
      assert.deepEqual(texts(bob, chat), texts(alice, chat));
      for (const each of [alice, bob]) {
        const mine = written.filter((_, n) => writer(n) === each);
        const inOrder = texts(alice, chat).filter((text) => text !== null && mine.includes(text));
        assert.deepEqual(inOrder, mine);
      }
    }),
  );
});

test("the picture is what the server would give now", async () => {
  const alice = await newPerson("Alice", DIRECT);
  const bob = await newPerson("Bob", THROUGH_PROXY);
  const chat = await alice.openChat(bob.session.tokens.userId);
  await running(bob, async () => {
    for (let n = 0; n < 20; n += 1) {
      await running(alice, async () => {
        await alice.send(chat, `message ${n}`);
        await eventually(() => alice.outbox.drafts.length === 0, "it is sent");
      });
      if (n % 5 === 0) await cut();
    }
    await eventually(() => texts(bob, chat).length === 20, "Bob has all");
    await eventually(
      async () => JSON.stringify(sorted(bob, chat)) === JSON.stringify(await freshSorted(bob, chat)),
      "Bob's picture is a fresh one",
    );
  });
});

function sorted(messenger: Messenger, chat: string): unknown {
  const channel = messenger.picture.channels[chat];
  assert(channel !== undefined);
  // Other members' positions are as of the fetch, but where they concern one's own messages.
  return { lastSeq: channel.lastSeq, unread: channel.unreadCount, messages: messagesOf(channel) };
}

async function freshSorted(messenger: Messenger, chat: string): Promise<unknown> {
  const channel = (await fresh(messenger, chat)) as Parameters<typeof messagesOf>[0];
  return { lastSeq: channel.lastSeq, unread: channel.unreadCount, messages: messagesOf(channel) };
}

test("what is written offline survives a restart of the app, and is sent once", async () => {
  const store = new MemoryStore();
  const before = await newMessenger(DIRECT, store);
  await signIn(before, "Alice");
  const chat = await before.openChat(before.session.tokens.userId);
  await before.send(chat, "first, offline");
  await before.send(chat, "second, offline");

  const after = await newMessenger(DIRECT, store);
  assert.equal(after.outbox.drafts.length, 2);
  await running(after, async () => {
    await eventually(() => after.outbox.drafts.length === 0, "it is sent");
    await eventually(() => texts(after, chat).length === 2, "it is shown");
  });

  const { channel } = await after.session.ask(FetchChannelDocument, { id: chat });
  const stored = channel?.messages?.nodes.map(({ text }) => text);
  assert.deepEqual(stored, ["first, offline", "second, offline"]);
});

test("a rejected token is refreshed once, on the websocket and over HTTP, and the stream goes on", async () => {
  let ready = 0;
  const onEvent = (event: { __typename: string }): void => {
    if (event.__typename === "InboxReady") ready += 1;
  };
  const alice = await newPerson("Alice", THROUGH_PROXY, { onEvent });
  const { tokens } = alice.session;
  await alice.session.keep({ ...tokens, accessToken: "not a token" });

  await running(alice, async () => {
    const chat = await alice.openChat(tokens.userId);
    await eventually(() => ready > 0, "the stream is open");
    assert.notEqual(alice.session.tokens.accessToken, "not a token");
    await alice.session.keep({ ...alice.session.tokens, accessToken: "not a token" });
    await cut();
    await eventually(() => ready > 1, "the stream is open again");
    await alice.send(chat, "after the refresh");
    await eventually(() => texts(alice, chat).includes("after the refresh"), "it came");
  });
});

test("a session that expires is refreshed before its end, without a lost connection", async () => {
  const events: string[] = [];
  const alice = await newPerson("Alice", DIRECT, { onEvent: ({ __typename }) => events.push(__typename) });
  const { accessToken } = alice.session.tokens;
  await running(alice, async () => {
    await eventually(() => events.includes("SessionExpiring"), "the server says that it ends");
    await eventually(() => alice.session.tokens.accessToken !== accessToken, "it is refreshed");
  });
  assert.equal(events.filter((name) => name === "InboxReady").length, 1);
});
