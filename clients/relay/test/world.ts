// People at the server that the suite started, without Relay.

import { createClient } from "graphql-ws";
import type { Client } from "graphql-ws";
import WebSocket from "ws";

import type { Session } from "../src/environment";

type Json = Record<string, any>;

export const DIRECT = needed("PARLEY_URL");
export const THROUGH_PROXY = needed("PARLEY_PROXY_URL");
const CUT = needed("PARLEY_CUT_URL");
const WITHIN_MS = 60_000;
const POLL_MS = 10;

const REFUSAL = "... on Refusal { code reason }";
const REQUEST_CODE = `mutation ($number: PhoneNumber!) { requestCode(input: {phoneNumber: $number}) {
  ... on RequestCodePayload { developmentCode requestSecret } ${REFUSAL} } }`;
const SIGN_IN = `mutation ($input: SignInInput!) { signIn(input: $input) {
  ... on Session { accessToken refreshToken user { id } } ${REFUSAL} } }`;
const REFRESH = `mutation ($token: String!) { refreshSession(refreshToken: $token) {
  ... on Session { accessToken refreshToken user { id } } ${REFUSAL} } }`;
const OPEN_CHAT = `mutation ($userId: ID!) { openChat(userId: $userId) {
  ... on OpenChatPayload { chat { id } } ${REFUSAL} } }`;
const SEND = `mutation ($input: SendMessageInput!) { sendMessage(input: $input) {
  ... on SendMessagePayload { message { id } } ${REFUSAL} } }`;
const EDIT = `mutation ($id: ID!, $text: String!) { editMessage(messageId: $id, text: $text) {
  ... on MessagePayload { message { id } } ${REFUSAL} } }`;
const TEXTS = `query ($id: ID!, $before: String) { channel(id: $id) { messages(last: 100, before: $before) {
  nodes { text } pageInfo { hasPreviousPage startCursor } } } }`;

export class Person implements Session {
  private constructor(private session: Json) {}

  static async signIn(name: string): Promise<Person> {
    const phoneNumber = `+1415${String(2_000_000 + Math.floor(Math.random() * 7_999_999))}`;
    const asked = await ask(REQUEST_CODE, { number: phoneNumber });
    const { requestSecret, developmentCode: code } = asked["requestCode"];
    const device = { name: "A test", platform: "WEB" };
    const input = { phoneNumber, requestSecret, code, name, device };
    return new Person((await ask(SIGN_IN, { input }))["signIn"]);
  }

  get id(): string {
    return this.session["user"].id;
  }

  accessToken(): string {
    return this.session["accessToken"];
  }

  /** Make the server refuse the next request. */
  spoilToken(): void {
    this.session = { ...this.session, accessToken: "not a token" };
  }

  async refresh(): Promise<void> {
    this.session = (await ask(REFRESH, { token: this.session["refreshToken"] }))["refreshSession"];
  }

  async openChat(other: Person): Promise<string> {
    return (await ask(OPEN_CHAT, { userId: other.id }, this))["openChat"].chat.id;
  }

  async send(channelId: string, text: string): Promise<string> {
    const input = { channelId, clientMessageId: crypto.randomUUID(), text };
    return (await ask(SEND, { input }, this))["sendMessage"].message.id;
  }

  async edit(id: string, text: string): Promise<void> {
    await ask(EDIT, { id, text }, this);
  }

  /** All texts of a channel, as the server has them. */
  async texts(id: string): Promise<string[]> {
    const texts: string[] = [];
    let before: string | null = null;
    do {
      const page: Json = (await ask(TEXTS, { id, before }, this))["channel"].messages;
      texts.unshift(...page["nodes"].map(({ text }: Json) => text));
      before = page["pageInfo"].hasPreviousPage ? page["pageInfo"].startCursor : null;
    } while (before !== null);
    return texts;
  }
}

async function ask(query: string, variables: Json, person?: Person): Promise<Json> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (person) headers["authorization"] = `Bearer ${person.accessToken()}`;
  const body = JSON.stringify({ query, variables });
  const answer = (await (await fetch(DIRECT, { method: "POST", headers, body })).json()) as Json;
  if (answer["errors"]) throw new Error(JSON.stringify(answer["errors"]));
  return answer["data"];
}

/** graphql-ws as its own page sets it up: its own way to connect again. */
export function socketOf(session: Session): Client {
  return createClient({
    url: THROUGH_PROXY.replace(/^http/, "ws"),
    webSocketImpl: WebSocket,
    connectionParams: () => ({ authorization: `Bearer ${session.accessToken()}` }),
  });
}

/** Break every connection that leads through the proxy. */
export async function cut(): Promise<void> {
  await fetch(CUT, { method: "POST" });
}

export async function eventually(check: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + WITHIN_MS;
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`still not so after ${WITHIN_MS / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

function needed(name: string): string {
  const value = process.env[name];
  if (value === undefined) throw new Error(`${name} is not set. Run the suite: make suites`);
  return value;
}
