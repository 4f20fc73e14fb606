import assert from "node:assert/strict";
import { test } from "node:test";

import { known, mayRepeat, summary } from "../src/enums.js";
import type { MessageKind, RefusalCode } from "../src/generated/graphql.js";

// What a later server sends is no value of today's types.
const HOLOGRAM = "HOLOGRAM" as MessageKind;

test("a value that this client does not know becomes the one it was told to take instead", () => {
  assert.equal(known<MessageKind>(HOLOGRAM, ["TEXT", "IMAGE"], "TEXT"), "TEXT");
  assert.equal(known<MessageKind>("IMAGE", ["TEXT", "IMAGE"], "TEXT"), "IMAGE");
});

test("a message of an unknown kind is shown by its text, or by a sentence", () => {
  assert.equal(summary({ kind: HOLOGRAM, text: "look", deletedAt: null }), "look");
  assert.match(summary({ kind: HOLOGRAM, text: null, deletedAt: null }), /newer version/);
});

test("a refusal with an unknown code is not repeated", () => {
  assert.equal(mayRepeat("SOMETHING_NEW" as RefusalCode), false);
  assert.equal(mayRepeat("RATE_LIMITED"), true);
});
