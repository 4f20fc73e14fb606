// What the user wrote and the server has not answered yet. It survives a lost connection and a restart.
//
// Each message has a `clientMessageId` of its own and is sent again with it until there is an answer:
// the server stores it once. Those of a channel go one after the other, so that they get their `seq`
// in the order in which they were written.

import { NoAnswer, Refused, accepted } from "./failures.js";
import { SendMessageDocument } from "./generated/graphql.js";
import type { SendMessageInput } from "./generated/graphql.js";
import type { Message } from "./reducer.js";
import type { Session } from "./session.js";
import type { Store } from "./store.js";
import { Backoff, pause } from "./waiting.js";

export interface Draft {
  readonly number: number;
  readonly input: SendMessageInput;
  /** The code with which the server said no; the user decides. */
  readonly refused: string | null;
}

const PREFIX = "outbox/";

export class Outbox {
  #drafts: Draft[] = [];
  #busy = new Map<string, Promise<void>>();
  #hurry = new AbortController();
  #signal: AbortSignal | null = null;

  /** `sent` gets each stored message before its draft is taken out. */
  constructor(
    private readonly session: Session,
    private readonly store: Store,
    private readonly sent: (message: Message) => void,
    private readonly firstRetryMs?: number,
  ) {}

  /** Take the drafts that an earlier start of the app left. */
  async open(): Promise<void> {
    const rows = Object.entries(await this.store.load()).filter(([key]) => key.startsWith(PREFIX));
    this.#drafts = rows.map(([, row]) => row as Draft).sort((one, other) => one.number - other.number);
  }

  /** What is not sent yet, in the order of writing: show it at the end of its conversation. */
  get drafts(): readonly Draft[] {
    return this.#drafts;
  }

  /** Store a message to be sent, now or as soon as there is a network; return its id. */
  async add(channelId: string, text: string, clientMessageId: string = crypto.randomUUID()): Promise<string> {
    const number = (this.#drafts.at(-1)?.number ?? 0) + 1;
    const draft = { number, input: { channelId, clientMessageId, text }, refused: null };
    this.#drafts.push(draft);
    await this.#keep(draft);
    this.#start(channelId);
    return clientMessageId;
  }

  /** Send once more what was refused, as the user wishes. */
  async retry(clientMessageId: string): Promise<void> {
    const draft = this.#named(clientMessageId);
    if (draft === undefined) return;
    await this.#replace(draft, { ...draft, refused: null });
    this.#start(draft.input.channelId);
  }

  /** Take a message out: the user gave it up, or the inbox has shown that it is stored. */
  async drop(clientMessageId: string): Promise<void> {
    const draft = this.#named(clientMessageId);
    if (draft === undefined) return;
    this.#drafts = this.#drafts.filter((each) => each !== draft);
    await this.store.save({ [keyOf(draft)]: null });
  }

  /** Try at once what waits for its next try: the server can be reached again. */
  hurry(): void {
    this.#hurry.abort();
    this.#hurry = new AbortController();
  }

  /** Send what is here and what comes, until the signal is aborted. */
  run(signal: AbortSignal): void {
    this.#signal = signal;
    for (const { input } of this.#drafts) this.#start(input.channelId);
  }

  #start(channelId: string): void {
    if (this.#signal === null || this.#signal.aborted || this.#busy.has(channelId)) return;
    const sending = this.#sendAll(channelId, this.#signal).finally(() => this.#busy.delete(channelId));
    this.#busy.set(channelId, sending);
    // A session that is over is told by the inbox.
    sending.catch(() => undefined);
  }

  async #sendAll(channelId: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      const draft = this.#drafts.find((each) => each.input.channelId === channelId && each.refused === null);
      if (draft === undefined || signal.aborted) return;
      await this.#send(draft, signal);
    }
  }

  /** Send until there is an answer, or the inbox shows that it is stored. */
  async #send(draft: Draft, signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(this.firstRetryMs);
    while (this.#drafts.includes(draft) && !signal.aborted) {
      try {
        const { sendMessage } = await this.session.ask(SendMessageDocument, { input: draft.input });
        this.sent(accepted(sendMessage).message);
        await this.drop(draft.input.clientMessageId);
      } catch (error) {
        if (error instanceof Refused) await this.#replace(draft, { ...draft, refused: error.code });
        else if (error instanceof NoAnswer) await this.#wait(backoff.next(error.retryAfterMs), signal);
        else throw error;
      }
    }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([this.#hurry.signal, signal]);
    await pause(ms, either).catch(() => undefined);
  }

  async #replace(old: Draft, draft: Draft): Promise<void> {
    this.#drafts = this.#drafts.map((each) => (each === old ? draft : each));
    await this.#keep(draft);
  }

  async #keep(draft: Draft): Promise<void> {
    await this.store.save({ [keyOf(draft)]: draft });
  }

  #named(clientMessageId: string): Draft | undefined {
    return this.#drafts.find(({ input }) => input.clientMessageId === clientMessageId);
  }
}

function keyOf({ number }: Draft): string {
  return `${PREFIX}${String(number).padStart(12, "0")}`;
}
