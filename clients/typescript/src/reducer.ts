// The copy of the viewer's channels that a client keeps, and how events of `inbox` change it.
//
// Snapshot + events = fresh snapshot: `put` what FetchChannel gave, hand every event to `apply`, and
// the copy equals what FetchChannel would give now. Nothing here knows a cache, a screen or a
// connection. A picture is never changed in place: a function returns a new one that shares all that
// stayed, so a screen can compare with ===.

import type {
  ChannelFieldsFragment,
  FetchChannelQuery,
  FetchStateQuery,
  InboxSubscription,
  MemberFieldsFragment,
  MessageFieldsFragment,
  PositionFieldsFragment,
} from "./generated/graphql.js";

export type Message = MessageFieldsFragment;
export type Member = MemberFieldsFragment;
export type Position = PositionFieldsFragment;
export type InboxEvent = InboxSubscription["inbox"];
type Fetched = NonNullable<FetchChannelQuery["channel"]>;
type FetchedState = NonNullable<FetchStateQuery["channel"]>;
type State = Pick<FetchedState, "position" | "mutedUntil">;

type Rest<Type> = Type extends unknown ? Omit<Type, "members" | "messages"> : never;

/** A channel with its members by id and its messages by seq. */
export type Channel = Rest<ChannelFieldsFragment> & {
  readonly members: Readonly<Record<string, Member>>;
  readonly messages: Readonly<Record<number, Message>>;
};

export interface Picture {
  readonly channels: Readonly<Record<string, Channel>>;
  /** Channels to fetch with FetchChannel, and then to `put`. */
  readonly missing: readonly string[];
  /** Whether to fetch what is in no log: FetchState of each channel, and what else is shown. */
  readonly stale: boolean;
}

export const EMPTY: Picture = { channels: {}, missing: [], stale: false };

/** Return where to follow from: the last entry of each channel that the picture holds. */
export function positions(picture: Picture): { channelId: string; seq: number }[] {
  return Object.values(picture.channels).map(({ id, lastSeq }) => ({ channelId: id, seq: lastSeq }));
}

/** Return the messages of a channel in their order. */
export function messagesOf(channel: Channel): Message[] {
  return Object.values(channel.messages).sort((one, other) => one.seq - other.seq);
}

/** Take what FetchChannel gave. An answer that is older than what is held changes no channel. */
export function put(picture: Picture, channelId: string, fetched: Fetched | null): Picture {
  const missing = picture.missing.filter((id) => id !== channelId);
  const held = picture.channels[channelId];
  if (fetched === null || (held !== undefined && held.lastSeq > fetched.lastSeq)) {
    return { ...picture, missing };
  }
  const { members, messages, ...rest } = fetched;
  const channel: Channel = {
    ...rest,
    members: byId(members.nodes),
    messages: Object.fromEntries((messages?.nodes ?? []).map((each) => [each.seq, each])),
  };
  return { ...withChannel(picture, channel), missing };
}

/** Take what FetchState gave after an InboxReady. Positions only move forward. */
export function putState(picture: Picture, channelId: string, state: FetchedState | null): Picture {
  const channel = picture.channels[channelId];
  if (channel === undefined || state === null) return picture;
  const members = { ...channel.members };
  for (const { id, position } of state.members.nodes) {
    const member = members[id];
    if (member !== undefined) members[id] = { ...member, position };
  }
  return withChannel(picture, takeState({ ...channel, members }, state));
}

/** Take the answer to a send. The entry itself still comes, and moves the position. */
export function putSent(picture: Picture, message: Message): Picture {
  const channel = picture.channels[message.channelId];
  if (channel === undefined || message.seq <= channel.lastSeq) return picture;
  const messages = { ...channel.messages, [message.seq]: message };
  return withChannel(picture, derive({ ...channel, messages }));
}

/** Have a channel fetched, and forget what is held of it. */
export function miss(picture: Picture, channelId: string): Picture {
  const missing = [...picture.missing.filter((id) => id !== channelId), channelId];
  return { ...forget(picture, channelId), missing };
}

/** Say that what is in no log was fetched. */
export function fetchedState(picture: Picture): Picture {
  return { ...picture, stale: false };
}

/** Return the picture after an event. What comes again changes nothing. */
export function apply(picture: Picture, event: InboxEvent): Picture {
  if (event.__typename === "InboxReady" || event.__typename === "ViewerUpdated") {
    return { ...picture, stale: true };
  }
  if (!("channelId" in event)) return picture;
  const channel = picture.channels[event.channelId];
  if (event.__typename === "ResyncRequired" || (channel === undefined && "seq" in event)) {
    // Who is taken out of a channel has nothing to fetch.
    const isOut = event.__typename === "ChannelUpdated" && event.channel === null;
    return isOut ? forget(picture, event.channelId) : miss(picture, event.channelId);
  }
  if (channel === undefined) return picture;
  switch (event.__typename) {
    case "ViewerChannelUpdated":
      return withChannel(picture, takeState(channel, event));
    case "ReceiptUpdated":
      return withChannel(picture, takeReceipt(channel, event.userId, event));
    case "TypingUpdated":
      return picture;
    default:
      // Also an entry of a kind that only a later server knows: it moves the position.
      return isEntry(event) ? takeEntry(picture, channel, event) : picture;
  }
}

type Entry = Extract<InboxEvent, { seq: number }>;

function isEntry(event: { readonly seq?: number }): event is Entry {
  return typeof event.seq === "number";
}

function takeEntry(picture: Picture, held: Channel, event: Entry): Picture {
  if (event.seq <= held.lastSeq) return picture;
  // It never happens. If it did, the copy would miss something without a sign.
  if (event.seq > held.lastSeq + 1) return miss(picture, held.id);
  let channel = held;
  if (event.__typename === "ChannelUpdated") {
    if (event.channel === null) return forget(picture, held.id);
    channel = takeChannel(held, event.channel);
  }
  const messages = "message" in event ? takeMessage(channel, event.seq, event.message) : channel.messages;
  return withChannel(picture, derive({ ...channel, lastSeq: event.seq, messages }));
}

/** Take a message; a changed one only if its page is held: it would leave a hole. */
function takeMessage({ messages }: Channel, seq: number, message: Message): Channel["messages"] {
  const isNew = message.seq === seq;
  const isHeld = Object.keys(messages).some((held) => Number(held) <= message.seq);
  return isNew || isHeld ? { ...messages, [message.seq]: message } : messages;
}

/** Take a channel from an event, but what is the viewer's own: that has events of its own. */
function takeChannel(held: Channel, given: ChannelFieldsFragment): Channel {
  const { members, ...rest } = given;
  const { position, mutedUntil, unreadCount, messages } = held;
  return { ...rest, position, mutedUntil, unreadCount, messages, members: byId(members.nodes) };
}

function takeState(channel: Channel, state: State): Channel {
  const position = further(channel.position, state.position);
  return derive({ ...channel, position, mutedUntil: state.mutedUntil });
}

function takeReceipt(channel: Channel, userId: string, given: Omit<Position, "userId">): Channel {
  const members = Object.values(channel.members).map((member) =>
    member.user.id === userId ? { ...member, position: further(member.position, given) } : member,
  );
  return derive({ ...channel, members: byId(members) });
}

/** Work out what follows from positions: the unread count, and how one's own messages fared. */
function derive(channel: Channel): Channel {
  const own = channel.position;
  const others = Object.values(channel.members).filter(({ user }) => user.id !== own.userId);
  const messages: Record<number, Message> = { ...channel.messages };
  let unreadCount = 0;
  for (const message of Object.values(channel.messages)) {
    const isOfOther = message.sender !== null && message.sender.id !== own.userId;
    if (isOfOther && message.deletedAt === null && message.seq > own.readSeq) unreadCount += 1;
    if (message.status === null) continue;
    const status = statusOf(message.seq, others);
    if (status !== message.status) messages[message.seq] = { ...message, status };
  }
  return { ...channel, messages, unreadCount };
}

function statusOf(seq: number, others: readonly Member[]): "SENT" | "DELIVERED" | "READ" {
  const audience = others.filter(({ joinedSeq }) => joinedSeq <= seq).map(({ position }) => position);
  if (audience.length === 0) return "SENT";
  if (audience.every(({ readSeq }) => readSeq >= seq)) return "READ";
  return audience.every(({ deliveredSeq }) => deliveredSeq >= seq) ? "DELIVERED" : "SENT";
}

/** Return the further one of two positions, each part by itself. */
export function further(held: Position, given: Omit<Position, "userId">): Position {
  return {
    userId: held.userId,
    deliveredSeq: Math.max(held.deliveredSeq, given.deliveredSeq),
    readSeq: Math.max(held.readSeq, given.readSeq),
  };
}

function forget(picture: Picture, channelId: string): Picture {
  const { [channelId]: _, ...channels } = picture.channels;
  return { ...picture, channels };
}

function withChannel(picture: Picture, channel: Channel): Picture {
  return { ...picture, channels: { ...picture.channels, [channel.id]: channel } };
}

function byId<Type extends { readonly id: string }>(objects: readonly Type[]): Record<string, Type> {
  return Object.fromEntries(objects.map((each) => [each.id, each]));
}
