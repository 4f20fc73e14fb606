// The kit as a whole: sign in, follow, send. What is shown is `picture`, then `outbox.drafts`.

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";

import { NoAnswer, Refused, accepted } from "./failures.js";
import {
  AcknowledgeDocument,
  FetchChannelDocument,
  FetchStateDocument,
  ListChannelsDocument,
  OpenChatDocument,
} from "./generated/graphql.js";
import type { ListChannelsQuery } from "./generated/graphql.js";
import { connect, inbox } from "./inbox.js";
import type { ConnectionOptions } from "./inbox.js";
import { Outbox } from "./outbox.js";
import { EMPTY, apply, fetchedState, miss, positions, put, putSent, putState } from "./reducer.js";
import type { InboxEvent, Picture } from "./reducer.js";
import { Session } from "./session.js";
import type { Store } from "./store.js";
import { Backoff, pause } from "./waiting.js";

const PICTURE = "picture";
// Positions that `after` takes; with a streamId, the others begin where they were acknowledged.
const FOLLOW_AT_MOST = 1_000;

export interface MessengerOptions extends ConnectionOptions {
  /** Names the store: one for each, even if they are of one device. */
  streamId?: string;
  /** How long after something was sent a cursor to acknowledge follows, at most. 30 by default. */
  heartbeatSeconds?: number;
  /** Gets each picture that differs from the one before. */
  onPicture?: (picture: Picture) => void;
  /** Gets each event, after it was applied. */
  onEvent?: (event: InboxEvent) => void;
}

export class Messenger {
  readonly session: Session;
  readonly outbox: Outbox;
  readonly streamId: string;
  #picture: Picture = EMPTY;
  #stored: Picture | null = null;

  constructor(url: string, private readonly store: Store, private readonly options: MessengerOptions = {}) {
    this.session = new Session(url, store, options.firstRetryMs);
    const sent = (message: Parameters<typeof putSent>[1]): void => this.#show(putSent(this.#picture, message));
    this.outbox = new Outbox(this.session, store, sent, options.firstRetryMs);
    this.streamId = options.streamId ?? "main";
  }

  get picture(): Picture {
    return this.#picture;
  }

  /** Take what an earlier start of the app stored. */
  async open(): Promise<void> {
    await this.session.open();
    await this.outbox.open();
    this.#stored = ((await this.store.load())[PICTURE] as Picture | undefined) ?? null;
    this.#show(this.#stored ?? EMPTY);
  }

  /** Return the id of the chat with a user. */
  async openChat(userId: string): Promise<string> {
    const { chat } = accepted((await this.session.ask(OpenChatDocument, { userId })).openChat);
    // No event tells of a chat in which nothing was said yet.
    if (this.#picture.channels[chat.id] === undefined) this.#show(miss(this.#picture, chat.id));
    return chat.id;
  }

  /** Send now, or as soon as there is a network; return the message's clientMessageId. */
  send(channelId: string, text: string): Promise<string> {
    return this.outbox.add(channelId, text);
  }

  /** Follow and send until the signal is aborted. Throws SignedOut if the session is over. */
  async run(signal: AbortSignal): Promise<void> {
    this.outbox.run(signal);
    if (this.#stored === null) await this.#firstSync(signal);
    const client = connect(this.session, this.options);
    const variables = {
      after: positions(this.#picture).slice(0, FOLLOW_AT_MOST),
      streamId: this.streamId,
      heartbeatSeconds: this.options.heartbeatSeconds ?? null,
    };
    try {
      for await (const event of inbox(this.session, client, variables, signal)) {
        this.#show(apply(this.#picture, event));
        await this.#fetch(signal);
        await this.#take(event);
        this.options.onEvent?.(event);
      }
    } finally {
      await client.dispose();
    }
  }

  async #take(event: InboxEvent): Promise<void> {
    switch (event.__typename) {
      case "MessageAdded":
        return this.outbox.drop(event.message.clientMessageId ?? "");
      case "SessionExpiring":
        return this.session.refresh(this.session.tokens.accessToken);
      case "InboxReady":
      case "InboxProgress":
        this.outbox.hurry();
        await this.#save();
        return this.#acknowledge(event.cursor);
      default:
        // Also what a later server tells in an event that this client does not know.
        return;
    }
  }

  /** Fetch all channels. What happens meanwhile comes on the stream. */
  async #firstSync(signal: AbortSignal): Promise<void> {
    let after: string | null = null;
    do {
      const page: ListChannelsQuery = await this.#patiently(ListChannelsDocument, { after }, signal);
      for (const { id } of page.channels?.nodes ?? []) this.#show(miss(this.#picture, id));
      after = page.channels?.pageInfo.hasNextPage ? page.channels.pageInfo.endCursor : null;
    } while (after !== null);
    await this.#fetch(signal);
    await this.#save();
  }

  /** Fetch what the events said is to be fetched. */
  async #fetch(signal: AbortSignal): Promise<void> {
    for (const id of this.#picture.missing) {
      const { channel } = await this.#patiently(FetchChannelDocument, { id }, signal);
      this.#show(put(this.#picture, id, channel));
    }
    if (!this.#picture.stale) return;
    this.#show(fetchedState(this.#picture));
    for (const id of Object.keys(this.#picture.channels)) {
      const { channel } = await this.#patiently(FetchStateDocument, { id }, signal);
      this.#show(putState(this.#picture, id, channel));
    }
  }

  async #patiently<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    signal: AbortSignal,
  ): Promise<Data> {
    const backoff = new Backoff(this.options.firstRetryMs);
    for (;;) {
      try {
        return await this.session.ask(document, variables);
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
        await pause(backoff.next(error.retryAfterMs), signal);
      }
    }
  }

  /** Say that everything up to here is stored. If it fails, the next cursor covers it. */
  async #acknowledge(cursor: string): Promise<void> {
    try {
      await this.session.ask(AcknowledgeDocument, { streamId: this.streamId, cursor });
    } catch (error) {
      if (!(error instanceof NoAnswer || error instanceof Refused)) throw error;
    }
  }

  async #save(): Promise<void> {
    await this.store.save({ [PICTURE]: this.#picture });
  }

  #show(picture: Picture): void {
    if (picture === this.#picture) return;
    this.#picture = picture;
    this.options.onPicture?.(picture);
  }
}
