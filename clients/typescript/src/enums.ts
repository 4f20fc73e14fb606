// Enums grow: a later server sends values that this client was not built with. Generated types say so
// with '%future added value', so that TypeScript asks for a default branch in every `switch`.

import type { MessageFieldsFragment, RefusalCode } from "./generated/graphql.js";

type Known<Value> = Exclude<Value, "%future added value">;

/** Return the value if this client knows it, else `otherwise`. */
export function known<Value extends string>(
  value: Value,
  values: readonly Known<Value>[],
  otherwise: Known<Value>,
): Known<Value> {
  return (values as readonly string[]).includes(value) ? (value as Known<Value>) : otherwise;
}

/** Say in words what a message holds: for lists, and for pushes in a language of one's own. */
export function summary(message: Pick<MessageFieldsFragment, "kind" | "text" | "deletedAt">): string {
  if (message.deletedAt !== null) return "Message deleted";
  switch (message.kind) {
    case "TEXT":
      return message.text ?? "";
    case "IMAGE":
      return message.text ?? "Photo";
    case "VIDEO":
      return message.text ?? "Video";
    case "AUDIO":
      return "Voice message";
    case "FILE":
      return message.text ?? "File";
    case "LOCATION":
      return message.text ?? "Location";
    case "SYSTEM":
      return "The group changed";
    default:
      // A kind that a later server has. Its text, if it has one, is still worth showing.
      return message.text ?? "This message needs a newer version of the app";
  }
}

/** Say whether the same request can succeed later. Codes that this client does not know cannot. */
export function mayRepeat(code: RefusalCode): boolean {
  switch (code) {
    case "RATE_LIMITED":
    case "UNAVAILABLE":
      return true;
    default:
      return false;
  }
}
