import assert from "node:assert/strict";
import { test } from "node:test";

import { createOperationDescriptor, fetchQuery, getRequest, getSingularSelector } from "relay-runtime";
import type { Environment } from "relay-runtime";

import paginationQuery from "../src/__generated__/conversationPaginationQuery.graphql";
import { conversationFragment, conversationQuery, messageFragment } from "../src/conversation";
import { createEnvironment } from "../src/environment";
import { follow } from "../src/inbox";
import type { InboxEvent } from "../src/inbox";
import { Person, THROUGH_PROXY, cut, eventually, socketOf } from "./world";

const EARLIER = 60;
const CUTS = 4;
const MESSAGES_EACH = 10;

/** What a screen would show of a conversation. */
function conversation(environment: Environment, id: string): { texts: string[]; startCursor: string; hasMore: boolean } {
  const root = createOperationDescriptor(getRequest(conversationQuery), { id });
  const { channel } = environment.lookup(root.fragment).data as { channel: object };
  const read = (fragment: unknown, ref: unknown): any =>
    environment.lookup(getSingularSelector(fragment as never, ref) as never).data;
  const { messages } = read(conversationFragment, channel);
  return {
    texts: messages.edges.map(({ node }: { node: object }) => read(messageFragment, node).text),
    startCursor: messages.pageInfo.startCursor,
    hasMore: messages.pageInfo.hasPreviousPage,
  };
}

test("a conversation pages back, joins new messages, and goes on after cuts with nothing twice", async () => {
  const alice = await Person.signIn("Alice");
  const bob = await Person.signIn("Bob");
  const chat = await alice.openChat(bob);
  const ids: string[] = [];
  for (let n = 0; n < EARLIER; n += 1) ids.push(await alice.send(chat, `earlier ${n}`));

  const environment = createEnvironment(THROUGH_PROXY, bob, socketOf(bob));
  // The first request is refused, and asked again with a new token.
  bob.spoilToken();
  await fetchQuery(environment, conversationQuery, { id: chat }).toPromise();
  const query = createOperationDescriptor(getRequest(conversationQuery), { id: chat });
  const retained = environment.retain(query);
  const first = conversation(environment, chat);
  assert.deepEqual([first.texts.length, first.hasMore], [50, true]);
  await fetchQuery(environment, paginationQuery, { id: chat, count: 50, cursor: first.startCursor }).toPromise();
  assert.deepEqual(conversation(environment, chat).texts, await bob.texts(chat));

  const events: InboxEvent[] = [];
  const acknowledged = new Set<string>();
  const variables = { streamId: "a tab", after: [{ channelId: chat, seq: EARLIER }], heartbeatSeconds: 1 };
  const following = follow(environment, bob, variables, {
    onEvent: (event) => events.push(event),
    onAcknowledged: (cursor) => acknowledged.add(cursor),
  });
  const count = (type: string): number => events.filter(({ __typename }) => __typename === type).length;
  const isSettled = (sent: number): boolean => {
    const last = events.map(({ __typename }) => __typename).lastIndexOf("MessageAdded");
    const after = events.slice(last).some((each) => "cursor" in each && acknowledged.has(each.cursor ?? ""));
    return count("MessageAdded") >= sent && after;
  };
  for (let round = 1; round <= CUTS; round += 1) {
    await eventually(() => count("InboxReady") >= round, "the stream is open");
    for (let n = 0; n < MESSAGES_EACH; n += 1) await alice.send(chat, `message ${round}.${n}`);
    await eventually(() => isSettled(round * MESSAGES_EACH), "all is acknowledged");
    await cut();
  }
  await eventually(() => count("InboxReady") > CUTS, "the stream is open again");
  // The server takes no connection with this token: it closes with 4401.
  bob.spoilToken();
  await cut();
  await eventually(() => count("InboxReady") > CUTS + 1, "the session is refreshed");
  await alice.edit(ids.at(-1)!, "edited");
  await alice.send(chat, "the last");
  await eventually(() => isSettled(CUTS * MESSAGES_EACH + 1), "all is settled");

  const seqs = events.flatMap((event) => (event.__typename === "MessageAdded" ? [event.seq] : []));
  assert.equal(seqs.length, CUTS * MESSAGES_EACH + 1);
  assert.equal(new Set(seqs).size, seqs.length);
  const { texts } = conversation(environment, chat);
  assert.deepEqual(texts, await bob.texts(chat));
  assert.equal(texts[EARLIER - 1], "edited");
  following.dispose();
  retained.dispose();
});
