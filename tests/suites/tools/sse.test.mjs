// The client of graphql-sse: distinct connections, and what it reports of the single connection mode,
// which Parley does not have.

import assert from "node:assert/strict";
import { test } from "node:test";

import { createClient } from "graphql-sse";

const headers = { authorization: `Bearer ${process.env.PARLEY_TOKEN}` };
const url = process.env.PARLEY_URL;
const distinct = () => createClient({ url, headers, retryAttempts: 0 });

async function first(client, payload) {
  for await (const result of client.iterate(payload)) return result;
  return undefined;
}

test("a query is answered by one event, and completes", async () => {
  const results = [];
  for await (const result of distinct().iterate({ query: "{ viewer { id } }" })) results.push(result);
  assert.equal(results.length, 1);
  assert.match(results[0].data.viewer.id, /^usr_/);
});

test("a mutation runs", async () => {
  const query = 'mutation { setTyping(channelId: "chn_0", typing: true) { __typename } }';
  const { data } = await first(distinct(), { query });
  assert.equal(data.setTyping.__typename, "Refusal");
});

test("variables and the operation's name are taken", async () => {
  const query = "query One { limits { pageSize } } query Other($id: ID!) { channel(id: $id) { id } }";
  const { data } = await first(distinct(), { query, operationName: "Other", variables: { id: "chn_0" } });
  assert.deepEqual(data, { channel: null });
});

test("a subscription gives events until it is left", async () => {
  const client = distinct();
  const { data } = await first(client, { query: "subscription { inbox { __typename at } }" });
  assert.equal(data.inbox.__typename, "InboxReady");
  client.dispose();
});

test("two subscriptions of one client go on beside each other", async () => {
  const client = distinct();
  const query = "subscription { inbox { __typename } }";
  const both = await Promise.all([first(client, { query }), first(client, { query })]);
  assert.deepEqual(both.map(({ data }) => data.inbox.__typename), ["InboxReady", "InboxReady"]);
  client.dispose();
});

test("a document that is not valid is reported, and not repeated", async () => {
  const result = await first(distinct(), { query: "{ nothing }" }).catch((error) => error);
  const said = JSON.stringify(result.errors ?? result.message ?? String(result));
  assert.match(said, /nothing|400|Bad Request/);
});

test("without a token the client gets an error that says so", async () => {
  const client = createClient({ url, retryAttempts: 0 });
  const result = await first(client, { query: "subscription { inbox { at } }" }).catch((error) => error);
  assert.match(JSON.stringify(result.errors ?? result.message ?? String(result)), /UNAUTHENTICATED|401|Unauthorized/);
});

test("the single connection mode is refused with a status that its client reports", async () => {
  const client = createClient({ url, headers, singleConnection: true, retryAttempts: 0 });
  const error = await first(client, { query: "{ viewer { id } }" }).then(
    () => assert.fail("it was taken"),
    (refused) => refused,
  );
  assert.match(String(error.message), /40[0-9]|Method Not Allowed|Bad Request/);
});
