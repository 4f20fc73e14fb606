import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

import { FetchChannelDocument, MessagesPageDocument } from "../src/generated/graphql.js";
import type { MessagesPageQuery } from "../src/generated/graphql.js";
import type { Messenger } from "../src/messenger.js";
import * as apollo3 from "../src/recipes/apollo-3.js";
import * as apollo from "../src/recipes/apollo.js";
import type { Following } from "../src/recipes/authorized.js";
import * as urql from "../src/recipes/urql.js";
import type { InboxEvent } from "../src/reducer.js";
import type { Session } from "../src/session.js";
import { DIRECT, THROUGH_PROXY, cut, eventually, newPerson, running } from "./world.js";

const CUTS = 4;
const MESSAGES_EACH = 10;
const REJECTED = "not a token";
const STREAM = { streamId: "a tab", heartbeatSeconds: 1 };

/** A library at work: what its subscription gave, and what its cache shows of the conversation. */
interface Watched {
  person: Messenger;
  chat: string;
  events: InboxEvent[];
  acknowledged: Set<string>;
  /** Errors that nothing could repair. */
  over: unknown[];
  shown(): (string | null)[];
  stop(): void;
}

type Opened = Pick<Watched, "shown" | "stop">;
type Open = (session: Session, chat: string, following: Following) => Promise<Opened>;

/** graphql-ws as these libraries' own pages set it up: its own way to connect again. */
function socketOf(session: Session): ReturnType<typeof createClient> {
  return createClient({
    url: session.url.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: () => ({ authorization: `Bearer ${session.tokens.accessToken}` }),
  });
}

function textsOf(page: MessagesPageQuery | null | undefined): (string | null)[] {
  return page?.channel?.messages?.edges.map(({ node }) => node.text) ?? [];
}

const LIBRARIES: Record<string, Open> = {
  async "Apollo Client 4"(session, chat, following) {
    const client = apollo.apolloClient(session, socketOf(session));
    let page: MessagesPageQuery | undefined;
    const screen = client
      .watchQuery({ query: MessagesPageDocument, variables: urql.newestPage(chat) })
      .subscribe(({ data, dataState }) => {
        if (dataState === "complete") page = data;
      });
    await eventually(() => page !== undefined, "the screen is filled");
    const stop = apollo.follow(client, session, STREAM, following);
    return { shown: () => textsOf(page), stop: () => (stop(), screen.unsubscribe(), client.stop()) };
  },
  async "Apollo Client 3"(session, chat, following) {
    const client = apollo3.apolloClient(session, socketOf(session));
    let page: MessagesPageQuery | undefined;
    const screen = client
      .watchQuery({ query: MessagesPageDocument, variables: urql.newestPage(chat) })
      .subscribe(({ data }) => {
        page = data;
      });
    await eventually(() => page !== undefined, "the screen is filled");
    const stop = apollo3.follow(client, session, STREAM, following);
    return { shown: () => textsOf(page), stop: () => (stop(), screen.unsubscribe(), client.stop()) };
  },
  async "urql with graphcache"(session, chat, following) {
    const client = urql.urqlClient(session, socketOf(session));
    let page: MessagesPageQuery | undefined;
    const screen = client.query(MessagesPageDocument, urql.newestPage(chat)).subscribe(({ data }) => {
      page = data;
    });
    await eventually(() => page !== undefined, "the screen is filled");
    const stop = urql.follow(client, session, STREAM, following);
    return { shown: () => textsOf(page), stop: () => (stop(), screen.unsubscribe()) };
  },
};

const watched = new Map<string, Watched>();
const warnings: string[] = [];
let alice: Messenger;

async function watch(name: string, open: Open): Promise<void> {
  const person = await newPerson(name, THROUGH_PROXY);
  const chat = await alice.openChat(person.session.tokens.userId);
  const events: InboxEvent[] = [];
  const acknowledged = new Set<string>();
  const over: unknown[] = [];
  const opened = await open(person.session, chat, {
    onEvent: (event) => events.push(event),
    onAcknowledged: (cursor) => acknowledged.add(cursor),
    over: (error) => over.push(error),
  });
  watched.set(name, { person, chat, events, acknowledged, over, ...opened });
}

function count(events: InboxEvent[], ...types: string[]): number {
  return events.filter(({ __typename }) => types.includes(__typename)).length;
}

/** Whether all was acknowledged: the cursor that came after the last message. */
function isSettled({ events, acknowledged }: Watched, sent: number): boolean {
  const last = events.map(({ __typename }) => __typename).lastIndexOf("MessageAdded");
  const after = events.slice(last).some((event) => "cursor" in event && acknowledged.has(event.cursor));
  return count(events, "MessageAdded") >= sent && after;
}

before(async () => {
  console.warn = (...words: unknown[]) => warnings.push(words.join(" "));
  console.error = console.warn;
  alice = await newPerson("Alice", DIRECT);
  await Promise.all(Object.entries(LIBRARIES).map(([name, open]) => watch(name, open)));
  const all = [...watched.values()];
  await running(alice, async () => {
    for (let round = 1; round <= CUTS; round += 1) {
      await eventually(() => all.every(({ events }) => count(events, "InboxReady") >= round), "all are open");
      for (const { chat } of all) {
        for (let n = 0; n < MESSAGES_EACH; n += 1) await alice.send(chat, `message ${round}.${n}`);
      }
      await eventually(() => all.every((each) => isSettled(each, round * MESSAGES_EACH)), "all is acknowledged");
      await cut();
    }
    await eventually(() => all.every(({ events }) => count(events, "InboxReady") > CUTS), "all are open again");
    // The server takes no connection with this token: it closes with 4401.
    for (const { session } of all.map(({ person }) => person)) {
      await session.keep({ ...session.tokens, accessToken: REJECTED });
    }
    await cut();
    const opened = CUTS + 1;
    await eventually(() => all.every(({ events }) => count(events, "InboxReady") > opened), "all are refreshed");
    for (const { chat } of all) await alice.send(chat, "the last");
    await eventually(() => all.every((each) => isSettled(each, CUTS * MESSAGES_EACH + 1)), "all is settled");
  });
});

after(() => {
  for (const { stop } of watched.values()) stop();
});

for (const name of Object.keys(LIBRARIES)) {
  test(`${name} connects again with its first variables, and gets nothing twice`, () => {
    const { events } = watched.get(name)!;
    const seqs = events.flatMap((event) => (event.__typename === "MessageAdded" ? [event.seq] : []));
    assert.equal(seqs.length, CUTS * MESSAGES_EACH + 1);
    assert.equal(new Set(seqs).size, seqs.length);
  });

  test(`${name} goes on after a session that is over, refreshed once`, () => {
    const { person, over } = watched.get(name)!;
    assert.notEqual(person.session.tokens.accessToken, REJECTED);
    assert.deepEqual(over, []);
  });

  test(`the cache of ${name} shows the conversation as the server has it`, async () => {
    const { person, chat, shown } = watched.get(name)!;
    const { channel } = await person.session.ask(FetchChannelDocument, { id: chat });
    assert.deepEqual(shown(), channel?.messages?.nodes.map(({ text }) => text));
  });
}

test("no library warns", () => {
  assert.deepEqual(warnings, []);
});
