// urql with its normalised cache (graphcache). Requests over HTTP, subscriptions over graphql-ws.

import { Client, fetchExchange, gql, subscriptionExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import type { Cache, CacheExchangeOpts } from "@urql/exchange-graphcache";
import type { Client as Socket } from "graphql-ws";

import { AcknowledgeDocument, InboxDocument, MessagesPageDocument } from "../generated/graphql.js";
import type {
  InboxSubscription,
  InboxSubscriptionVariables,
  MessagesPageQueryVariables,
} from "../generated/graphql.js";
import { schema } from "../generated/schema.js";
import { further } from "../reducer.js";
import type { InboxEvent, Message, Position } from "../reducer.js";
import type { Session } from "../session.js";
import { authorizedFetch, subscribing, taking } from "./authorized.js";
import type { Following } from "./authorized.js";

/** The page of a conversation that new messages join. Screens ask for it with these variables, and for
 * older ones with `before`. */
export function newestPage(channelId: string): MessagesPageQueryVariables {
  return { channelId, last: 50, before: null };
}

const embedded = (): null => null;

/** How the cache keeps Parley's objects. An id is unique over all types: it is the key by itself. */
export const cacheOptions: CacheExchangeOpts = {
  schema,
  globalIDs: true,
  keys: {
    GroupInvite: ({ token }) => String(token),
    Limits: embedded,
    Location: embedded,
    MemberPosition: embedded,
    Presence: ({ userId }) => `presence of ${String(userId)}`,
    PrivacySettings: embedded,
    PushEmail: embedded,
    PushSettings: embedded,
    Reaction: embedded,
    Receipt: embedded,
    Rendition: embedded,
    SystemNotice: embedded,
    // Events are not stored; what they lead to is.
    ...Object.fromEntries(
      [
        "ChannelUpdated",
        "InboxProgress",
        "InboxReady",
        "LogAdvanced",
        "MessageAdded",
        "MessageUpdated",
        "ReceiptUpdated",
        "ResyncRequired",
        "SessionExpiring",
        "TypingUpdated",
        "ViewerChannelUpdated",
        "ViewerUpdated",
      ].map((name) => [name, embedded]),
    ),
  },
  updates: {
    Subscription: {
      inbox: (result, _, cache) => writeEvent(cache, (result as unknown as InboxSubscription).inbox),
    },
  },
};

function writeEvent(cache: Cache, event: InboxEvent): void {
  switch (event.__typename) {
    case "MessageAdded":
      moveTo(cache, event.channelId, event.seq);
      return addMessage(cache, event.channelId, event.message);
    case "ChannelUpdated":
      if (event.channel === null) cache.invalidate(event.channelId);
      return addMessage(cache, event.channelId, event.message);
    case "ReceiptUpdated":
      if (event.member !== null) movePosition(cache, "Member", event.member.id, event);
      return;
    case "ViewerChannelUpdated":
      return writeViewersState(cache, event);
    case "ResyncRequired":
      cache.invalidate(event.channelId, "messages", { last: 50, before: null });
      return;
    default:
      // Also what a later server tells in an event that this client does not know.
      if ("seq" in event) moveTo(cache, event.channelId, event.seq);
  }
}

function addMessage(cache: Cache, channelId: string, message: Message): void {
  const query = { query: MessagesPageDocument, variables: newestPage(channelId) };
  cache.updateQuery(query, (page) => {
    const messages = page?.channel?.messages;
    if (!page?.channel || !messages) return page;
    const others = messages.edges.filter(({ node }) => node.seq !== message.seq);
    const edge = { __typename: "MessageEdge", cursor: message.id, node: message };
    const edges = [...others, edge].sort((one, other) => one.node.seq - other.node.seq);
    return { ...page, channel: { ...page.channel, messages: { ...messages, edges } } };
  });
}

/** Move the channel's `lastSeq`, if the cache holds it. */
function moveTo(cache: Cache, channelId: string, seq: number): void {
  const type = cache.resolve(channelId, "__typename") as string | null;
  const held = cache.resolve(channelId, "lastSeq") as number | null;
  if (type === null || held === null || held >= seq) return;
  const fragment = gql`fragment Moved on ${type} { id lastSeq }`;
  cache.writeFragment(fragment, { __typename: type, id: channelId, lastSeq: seq });
}

type ViewersState = Extract<InboxEvent, { __typename: "ViewerChannelUpdated" }>;

function writeViewersState(cache: Cache, event: ViewersState): void {
  const { channelId: id, unreadCount, mutedUntil } = event;
  const type = cache.resolve(id, "__typename") as string | null;
  if (type === null) return;
  const fragment = gql`fragment ViewersState on ${type} { id unreadCount mutedUntil }`;
  cache.writeFragment(fragment, { __typename: type, id, unreadCount, mutedUntil });
  movePosition(cache, type, id, event.position);
}

/** Move a position, whole and only forward. */
function movePosition(cache: Cache, type: string, id: string, given: Omit<Position, "userId">): void {
  const fragment = gql`fragment Placed on ${type} { id position { userId deliveredSeq readSeq } }`;
  const held = cache.readFragment(fragment, { __typename: type, id }) as { position: Position } | null;
  if (held === null) return;
  const position = { __typename: "MemberPosition", ...further(held.position, given) };
  cache.writeFragment(fragment, { __typename: type, id, position });
}

export function urqlClient(session: Session, socket: Socket): Client {
  return new Client({
    url: session.url,
    fetch: authorizedFetch(session),
    preferGetMethod: false,
    exchanges: [
      cacheExchange(cacheOptions),
      fetchExchange,
      subscriptionExchange({
        forwardSubscription: ({ query = "", variables }) => ({
          subscribe: (sink) => ({
            unsubscribe: socket.subscribe({ query, variables: variables ?? null }, sink as never),
          }),
        }),
      }),
    ],
  });
}

/** Follow the inbox: the cache takes what comes, and it is acknowledged. Returns what stops it. */
export function follow(
  client: Client,
  session: Session,
  variables: InboxSubscriptionVariables & { streamId: string },
  following: Following = {},
): () => void {
  const { streamId } = variables;
  const take = taking(following, async (cursor) => {
    const { error } = await client.mutation(AcknowledgeDocument, { streamId, cursor }).toPromise();
    if (error) throw error;
  });
  return subscribing(
    session,
    (ended) => {
      const events = client.subscription(InboxDocument, variables);
      const { unsubscribe } = events.subscribe(({ data, error }) => {
        if (error) ended(error);
        else if (data) take(data.inbox);
      });
      return unsubscribe;
    },
    following.over,
  );
}
