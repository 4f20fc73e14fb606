// The protocol graphql-transport-ws: by the client of graphql-ws, and frame by frame as its PROTOCOL.md says.
// graphql-ws has no conformance suite for servers of others; this is one of ours.

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import { createClient } from "graphql-ws";
import WebSocket from "ws";

const url = process.env.PARLEY_URL.replace(/^http/, "ws");
const payload = { authorization: `Bearer ${process.env.PARLEY_TOKEN}` };
const INBOX = { query: "subscription { inbox { __typename } }" };
const ASKED = { query: "{ viewer { id } }" };

/** A socket of which each frame is seen. */
class Raw {
  constructor(protocols = "graphql-transport-ws") {
    this.socket = new WebSocket(url, protocols);
    this.messages = [];
    this.waiting = [];
    this.closed = new Promise((resolve) => this.socket.on("close", resolve));
    this.socket.on("message", (text) => {
      this.messages.push(JSON.parse(text));
      this.waiting.splice(0).forEach((wake) => wake());
    });
  }

  async open() {
    await once(this.socket, "open");
    return this;
  }

  send(message) {
    this.socket.send(typeof message === "string" ? message : JSON.stringify(message));
  }

  async next() {
    while (this.messages.length === 0) await new Promise((wake) => this.waiting.push(wake));
    return this.messages.shift();
  }

  async acknowledged() {
    await this.open();
    this.send({ type: "connection_init", payload });
    assert.equal((await this.next()).type, "connection_ack");
    return this;
  }
}

async function all(client, operation) {
  const results = [];
  for await (const result of client.iterate(operation)) results.push(result);
  return results;
}

const client = () => createClient({ url, webSocketImpl: WebSocket, connectionParams: payload, retryAttempts: 0 });

test("client: a query gives one result and completes", async () => {
  const results = await all(client(), ASKED);
  assert.equal(results.length, 1);
  assert.match(results[0].data.viewer.id, /^usr_/);
});

test("client: a mutation gives one result and completes", async () => {
  const query = 'mutation { setTyping(channelId: "chn_0", typing: true) { __typename } }';
  assert.equal((await all(client(), { query }))[0].data.setTyping.__typename, "Refusal");
});

test("client: a subscription gives events until it is left", async () => {
  for await (const { data } of client().iterate(INBOX)) {
    assert.equal(data.inbox.__typename, "InboxReady");
    break;
  }
});

test("client: a document that is not valid fails, and the socket goes on", async () => {
  const one = client();
  await assert.rejects(all(one, { query: "{ nothing }" }));
  assert.equal((await all(one, ASKED)).length, 1);
});

test("client: variables, the operation's name and extensions are taken", async () => {
  const query = "query One { limits { pageSize } } query Other($id: ID!) { channel(id: $id) { id } }";
  const operation = { query, operationName: "Other", variables: { id: "chn_0" }, extensions: { some: 1 } };
  assert.deepEqual((await all(client(), operation))[0].data, { channel: null });
});

test("client: pings are answered", async () => {
  let pongs = 0;
  const one = createClient({ url, webSocketImpl: WebSocket, connectionParams: payload, keepAlive: 20, lazy: false });
  await new Promise((resolve) => one.on("pong", (received) => received && (pongs += 1) > 1 && resolve()));
  one.dispose();
});

test("client: a token that is not valid ends the connection with 4401", async () => {
  const one = createClient({ url, webSocketImpl: WebSocket, connectionParams: { authorization: "Bearer x" } });
  await assert.rejects(all(one, INBOX), (error) => error.code === 4401);
});

test("the subprotocol is chosen, also among others", async () => {
  const raw = await new Raw(["another", "graphql-transport-ws"]).open();
  assert.equal(raw.socket.protocol, "graphql-transport-ws");
  raw.socket.close();
});

test("a client that offers no subprotocol is closed with 4406", async () => {
  assert.equal(await new Raw([]).closed, 4406);
});

for (const protocols of ["graphql-ws", "another"]) {
  test(`the subprotocol ${protocols} is not chosen`, async () => {
    const raw = new Raw(protocols);
    const [error] = await once(raw.socket, "error");
    assert.match(error.message, /no subprotocol/);
  });
}

const closing = {
  "what is no JSON": [4400, "not JSON"],
  "JSON that is no object": [4400, "[]"],
  "a message without a type": [4400, {}],
  "an unknown type": [4400, { type: "hello" }],
  "a subscribe without id": [4400, { type: "subscribe", payload: ASKED }],
  "a subscribe with an empty id": [4400, { type: "subscribe", id: "", payload: ASKED }],
  "a subscribe without payload": [4400, { type: "subscribe", id: "1" }],
  "a subscribe without query": [4400, { type: "subscribe", id: "1", payload: {} }],
  "variables that are no object": [4400, { type: "subscribe", id: "1", payload: { ...ASKED, variables: 1 } }],
  "a name that is no text": [4400, { type: "subscribe", id: "1", payload: { ...ASKED, operationName: 1 } }],
  "a complete without id": [4400, { type: "complete" }],
  "a ping with a payload that is no object": [4400, { type: "ping", payload: 1 }],
  "a second connection_init": [4429, { type: "connection_init", payload }],
};
for (const [what, [code, message]] of Object.entries(closing)) {
  test(`${what} closes with ${code}`, async () => {
    const raw = await new Raw().acknowledged();
    raw.send(message);
    assert.equal(await raw.closed, code);
  });
}

test("a subscribe before connection_ack closes with 4401", async () => {
  const raw = await new Raw().open();
  raw.send({ type: "subscribe", id: "1", payload: ASKED });
  assert.equal(await raw.closed, 4401);
});

test("a connection_init with a payload that is no object closes with 4400", async () => {
  const raw = await new Raw().open();
  raw.send({ type: "connection_init", payload: 1 });
  assert.equal(await raw.closed, 4400);
});

test("no connection_init in time closes with 4408", async () => {
  const raw = await new Raw().open();
  assert.equal(await raw.closed, 4408);
});

test("an id that is in use closes with 4409", async () => {
  const raw = await new Raw().acknowledged();
  raw.send({ type: "subscribe", id: "1", payload: INBOX });
  assert.equal((await raw.next()).type, "next");
  raw.send({ type: "subscribe", id: "1", payload: INBOX });
  assert.equal(await raw.closed, 4409);
});

test("a frame of more than 64 KiB closes with 1009", async () => {
  const raw = await new Raw().acknowledged();
  raw.send({ type: "ping", payload: { text: "x".repeat(70_000) } });
  assert.equal(await raw.closed, 1009);
});

test("pings are answered before and after connection_init, with or without payload", async () => {
  const raw = await new Raw().open();
  raw.send({ type: "ping" });
  assert.equal((await raw.next()).type, "pong");
  raw.send({ type: "connection_init", payload });
  assert.equal((await raw.next()).type, "connection_ack");
  raw.send({ type: "ping", payload: { some: 1 } });
  assert.equal((await raw.next()).type, "pong");
  raw.socket.close();
});

test("a pong that nobody asked for is taken", async () => {
  const raw = await new Raw().acknowledged();
  raw.send({ type: "pong" });
  raw.send({ type: "subscribe", id: "1", payload: ASKED });
  assert.equal((await raw.next()).type, "next");
  raw.socket.close();
});

test("a query's messages are next and complete, with its id", async () => {
  const raw = await new Raw().acknowledged();
  raw.send({ type: "subscribe", id: "seven", payload: ASKED });
  const [next, complete] = [await raw.next(), await raw.next()];
  assert.deepEqual([next.type, next.id, complete], ["next", "seven", { id: "seven", type: "complete" }]);
  raw.socket.close();
});

test("an id is free again after complete, from either side", async () => {
  const raw = await new Raw().acknowledged();
  for (let round = 0; round < 2; round += 1) {
    raw.send({ type: "subscribe", id: "1", payload: ASKED });
    assert.deepEqual([(await raw.next()).type, (await raw.next()).type], ["next", "complete"]);
    raw.send({ type: "subscribe", id: "1", payload: INBOX });
    assert.equal((await raw.next()).type, "next");
    raw.send({ type: "complete", id: "1" });
  }
  raw.socket.close();
});

test("a complete for an id that is not in use does nothing", async () => {
  const raw = await new Raw().acknowledged();
  raw.send({ type: "complete", id: "nobody" });
  raw.send({ type: "subscribe", id: "1", payload: ASKED });
  assert.equal((await raw.next()).type, "next");
  raw.socket.close();
});

test("a document that cannot be executed is answered with error, and nothing after it", async () => {
  const raw = await new Raw().acknowledged();
  for (const [id, query] of [["1", "{"], ["2", "{ nothing }"]]) {
    raw.send({ type: "subscribe", id, payload: { query } });
    const answer = await raw.next();
    assert.deepEqual([answer.type, answer.id, Array.isArray(answer.payload)], ["error", id, true]);
  }
  raw.send({ type: "subscribe", id: "1", payload: ASKED });
  assert.deepEqual([(await raw.next()).type, (await raw.next()).type], ["next", "complete"]);
  raw.socket.close();
});

test("variables may be null, and so may the name and the extensions", async () => {
  const raw = await new Raw().acknowledged();
  const more = { variables: null, operationName: null, extensions: null };
  raw.send({ type: "subscribe", id: "1", payload: { ...ASKED, ...more } });
  assert.equal((await raw.next()).type, "next");
  raw.socket.close();
});

test("operations on one socket go on beside each other", async () => {
  const raw = await new Raw().acknowledged();
  raw.send({ type: "subscribe", id: "inbox", payload: INBOX });
  raw.send({ type: "subscribe", id: "asked", payload: ASKED });
  const seen = new Set();
  while (seen.size < 3) {
    const { id, type } = await raw.next();
    seen.add(`${id} ${type}`);
  }
  assert.deepEqual([...seen].sort(), ["asked complete", "asked next", "inbox next"]);
  raw.socket.close();
});
