// The three ways in which asking can end without what was asked for.

import type { RefusalCode, RefusalFieldsFragment } from "./generated/graphql.js";

/** It is not known whether it was done, or it cannot be done right now: ask the same again. */
export class NoAnswer extends Error {
  constructor(reason: string, readonly retryAfterMs: number | null = null) {
    super(reason);
    this.name = "NoAnswer";
  }
}

/** The server said no; the same request would get the same answer. */
export class Refused extends Error {
  constructor(readonly code: RefusalCode | string, reason: string, readonly field: string | null = null) {
    super(`${code}: ${reason}`);
    this.name = "Refused";
  }
}

/** The access token is not valid, or no longer: refresh the session, and ask once more. */
export class Unauthenticated extends Error {
  constructor() {
    super("The access token is not valid. Refresh the session.");
    this.name = "Unauthenticated";
  }
}

/** The session is over: delete what was stored of this user, and show the sign-in. */
export class SignedOut extends Error {
  constructor(reason: string) {
    super(reason);
    this.name = "SignedOut";
  }
}

/** Return the error that a code stands for: of a Refusal, or of `extensions` of a GraphQL error. */
export function failure(
  code: RefusalCode | string,
  reason: string,
  retryAfterMs: number | null = null,
  field: string | null = null,
): NoAnswer | Refused | Unauthenticated {
  switch (code) {
    case "UNAUTHENTICATED":
      return new Unauthenticated();
    case "RATE_LIMITED":
    case "UNAVAILABLE":
      return new NoAnswer(`${code}: ${reason}`, retryAfterMs);
    default:
      // Also a code that only a later server has: nobody knows that it would help to ask again.
      return new Refused(code, reason, field);
  }
}

type Answer<Result> = Exclude<Result, RefusalFieldsFragment & { readonly __typename: "Refusal" }>;

/** Return a mutation's payload. Throws what its Refusal says. */
export function accepted<Result extends { readonly __typename: string }>(result: Result): Answer<Result> {
  if (result.__typename === "Refusal") {
    const { code, reason, field, retryAfterMs } = result as unknown as RefusalFieldsFragment;
    throw failure(code, reason, retryAfterMs, field);
  }
  return result as Answer<Result>;
}
