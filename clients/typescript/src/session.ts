// A device's session: its tokens, and asking the server with them over HTTP.
//
// No clock of this machine is asked whether a token has expired: it may be wrong. The server says so
// (UNAUTHENTICATED, SessionExpiring in the inbox, the close code 4401); then `refresh` is called.

import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { print } from "graphql";

import { NoAnswer, Refused, SignedOut, Unauthenticated, accepted, failure } from "./failures.js";
import { RefreshSessionDocument, RequestCodeDocument, SignInDocument } from "./generated/graphql.js";
import type { SessionFieldsFragment, SignInInput } from "./generated/graphql.js";
import type { Store } from "./store.js";
import { Backoff, pause } from "./waiting.js";

export interface Tokens {
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly userId: string;
}

interface GraphQLAnswer {
  data?: unknown;
  errors?: { message: string; extensions?: { code?: string; field?: string; retryAfterMs?: number } }[];
}

const KEY = "session";
const ANSWER_MS = 15_000;

export class Session {
  #tokens: Tokens | null = null;
  #refreshing: Promise<void> | null = null;

  constructor(
    readonly url: string,
    private readonly store: Store,
    private readonly firstRetryMs?: number,
  ) {}

  /** Take the tokens that an earlier start of the app stored. */
  async open(): Promise<void> {
    this.#tokens = ((await this.store.load())[KEY] as Tokens | undefined) ?? null;
  }

  get isSignedIn(): boolean {
    return this.#tokens !== null;
  }

  /** Throws SignedOut if nobody is signed in. */
  get tokens(): Tokens {
    if (this.#tokens === null) throw new SignedOut("Nobody is signed in on this device.");
    return this.#tokens;
  }

  /** Store first, then use: a refresh token that is lost ends the session. */
  async keep(tokens: Tokens | null): Promise<void> {
    await this.store.save({ [KEY]: tokens });
    this.#tokens = tokens;
  }

  /** Sign in with a code. `askCode` asks the user for the code of the SMS; a development server tells
   * it, and nobody is asked. */
  async signIn(
    phoneNumber: string,
    more: Pick<SignInInput, "name" | "device">,
    askCode: () => Promise<string>,
  ): Promise<void> {
    const requested = accepted((await this.#post(RequestCodeDocument, { input: { phoneNumber } })).requestCode);
    const { requestSecret, developmentCode } = requested;
    const input = { phoneNumber, requestSecret, code: developmentCode ?? (await askCode()), ...more };
    await this.keep(tokensOf(accepted((await this.#post(SignInDocument, { input })).signIn)));
  }

  /** Return what a document gave. Throws NoAnswer, Refused or SignedOut. */
  async ask<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    for (;;) {
      const { accessToken } = this.tokens;
      try {
        return await this.#post(document, variables, accessToken);
      } catch (error) {
        if (!(error instanceof Unauthenticated)) throw error;
        await this.refresh(accessToken);
      }
    }
  }

  /** Get new tokens in place of the access token that was rejected: once, for all who wait for it. */
  async refresh(rejected: string): Promise<void> {
    if (this.#refreshing === null && this.tokens.accessToken === rejected) {
      this.#refreshing = this.#refresh(this.tokens).finally(() => {
        this.#refreshing = null;
      });
    }
    await this.#refreshing;
  }

  async #refresh(tokens: Tokens): Promise<void> {
    const backoff = new Backoff(this.firstRetryMs);
    for (;;) {
      try {
        const variables = { refreshToken: tokens.refreshToken };
        const { refreshSession } = await this.#post(RefreshSessionDocument, variables);
        return await this.keep(tokensOf(accepted(refreshSession)));
      } catch (error) {
        // An answer may have been lost: the same refresh token gives the same new pair.
        if (error instanceof NoAnswer) {
          await pause(backoff.next(error.retryAfterMs));
        } else if (error instanceof Refused || error instanceof Unauthenticated) {
          await this.keep(null);
          throw new SignedOut(error.message);
        } else {
          throw error;
        }
      }
    }
  }

  async #post<Data, Variables>(
    document: TypedDocumentNode<Data, Variables>,
    variables: Variables,
    accessToken?: string,
  ): Promise<Data> {
    const answer = await this.#fetch(JSON.stringify({ query: print(document), variables }), accessToken);
    const error = answer.errors?.[0];
    if (error !== undefined) {
      const { code = "INTERNAL", retryAfterMs = null, field = null } = error.extensions ?? {};
      throw failure(code, error.message, retryAfterMs, field);
    }
    return answer.data as Data;
  }

  async #fetch(body: string, accessToken?: string): Promise<GraphQLAnswer> {
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (accessToken !== undefined) headers["authorization"] = `Bearer ${accessToken}`;
    try {
      const signal = AbortSignal.timeout(ANSWER_MS);
      const response = await fetch(this.url, { method: "POST", headers, body, signal });
      return (await response.json()) as GraphQLAnswer;
    } catch (error) {
      // Nothing came, or what came was of something in between.
      throw new NoAnswer(String(error));
    }
  }
}

function tokensOf({ accessToken, refreshToken, user }: SessionFieldsFragment): Tokens {
  return { accessToken, refreshToken, userId: user.id };
}
