// How Apollo's cache keeps channels and messages, and how events of `inbox` change it. It holds for
// Apollo Client 4 and 3: nothing here imports either of them.
//
// An object's id is unique over all types, so it is the key by itself: `channelId` of an event finds the
// channel, whether it is a Chat or a Group. Apollo writes what a subscription gives by itself, so an
// edited message or a renamed group is right without a line here. What is written by hand is what moves
// in lists, and positions, which only go forward.

import type { InboxEvent } from "../reducer.js";

interface Reference {
  readonly __ref: string;
}
type Read = (field: string, from?: Reference) => unknown;
interface Helpers {
  readField: Read;
  toReference: (object: object) => Reference | undefined;
}
interface Edge {
  readonly __typename: "MessageEdge";
  readonly cursor: string;
  readonly node: Reference;
}
interface Connection {
  readonly edges: readonly Edge[];
  readonly pageInfo?: object;
}

// What a field holds is as the cache has it: objects with an id are references.
type Modify = (held: any, helpers: any) => any;

/** The part of both caches that is used here. */
export interface Cache {
  modify(options: { id: string; fields: Record<string, Modify> }): boolean;
  evict(options: { id: string; fieldName?: string }): boolean;
}

export const dataIdFromObject = (object: Readonly<Record<string, unknown>>): string | undefined =>
  typeof object["id"] === "string" ? object["id"] : undefined;

const greater = (held: number | undefined, given: number): number => Math.max(held ?? 0, given);

/** One list of messages a channel, whatever pages it came in: by seq, each once. */
const messages = {
  keyArgs: false as const,
  merge(held: Connection | undefined, given: Connection, { readField }: { readField: Read }): Connection {
    if (held === undefined) return given;
    const seqOf = (edge: Edge | undefined): number => Number(edge && readField("seq", edge.node)) || 0;
    // The page that goes further back knows whether there is more.
    const furthest = seqOf(given.edges[0]) < seqOf(held.edges[0]) ? given : held;
    const edges = merged(held.edges, given.edges, seqOf);
    return { ...held, ...given, edges, ...(furthest.pageInfo && { pageInfo: furthest.pageInfo }) };
  },
};

const Channel = { fields: { messages, position: { merge: true }, members: { merge: true } } };

export const typePolicies = {
  Chat: Channel,
  Group: Channel,
  MemberPosition: { fields: { deliveredSeq: { merge: greater }, readSeq: { merge: greater } } },
  Member: { fields: { position: { merge: true } } },
  // An event is not the one before it with other fields.
  Subscription: { fields: { inbox: { merge: false } } },
};

function merged(held: readonly Edge[], given: readonly Edge[], seqOf: (edge: Edge) => number): Edge[] {
  const bySeq = new Map([...held, ...given].map((edge) => [seqOf(edge), edge]));
  return [...bySeq].sort(([one], [other]) => one - other).map(([, edge]) => edge);
}

/** Write an event that Apollo has just given. What comes again changes nothing. */
export function writeEvent(cache: Cache, event: InboxEvent, viewerId: string): void {
  switch (event.__typename) {
    case "MessageAdded":
    case "ChannelUpdated":
      return addMessage(cache, event, viewerId);
    case "ReceiptUpdated":
      if (event.member !== null) cache.modify({ id: event.member.id, fields: { position: further(event) } });
      return;
    case "ViewerChannelUpdated": {
      const { channelId, position, unreadCount, mutedUntil } = event;
      const fields = { position: further(position), unreadCount: () => unreadCount, mutedUntil: () => mutedUntil };
      cache.modify({ id: channelId, fields });
      return;
    }
    case "ResyncRequired":
      cache.evict({ id: event.channelId, fieldName: "messages" });
      return;
    default:
      // Also what a later server tells in an event that this client does not know.
      if ("seq" in event) cache.modify({ id: event.channelId, fields: { lastSeq: up(event.seq) } });
  }
}

type Added = Extract<InboxEvent, { __typename: "MessageAdded" | "ChannelUpdated" }>;

function addMessage(cache: Cache, event: Added, viewerId: string): void {
  const { seq, message } = event;
  if (event.__typename === "ChannelUpdated" && event.channel === null) {
    cache.evict({ id: event.channelId });
    return;
  }
  const counts = message.sender !== null && message.sender.id !== viewerId;
  cache.modify({
    id: event.channelId,
    fields: {
      lastSeq: up(seq),
      lastMessage: (held: unknown, { toReference }: Helpers) => toReference(message) ?? held,
      unreadCount: (held: number, { readField }: Helpers) =>
        counts && seq > Number(readField("lastSeq") ?? seq - 1) ? held + 1 : held,
      messages: (held: Connection, { readField, toReference }: Helpers) => {
        const node = toReference(message);
        if (node === undefined) return held;
        const edge: Edge = { __typename: "MessageEdge", cursor: "", node };
        return messages.merge(held, { edges: [edge] }, { readField });
      },
    },
  });
}

const up = (seq: number) => (held: number): number => Math.max(held, seq);

const further =
  ({ deliveredSeq, readSeq }: { deliveredSeq: number; readSeq: number }) =>
  (held: { deliveredSeq: number; readSeq: number }) => ({
    ...held,
    deliveredSeq: Math.max(held.deliveredSeq, deliveredSeq),
    readSeq: Math.max(held.readSeq, readSeq),
  });
