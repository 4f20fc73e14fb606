// The presets that frontend teams lint schemas with, and where Parley's schema differs from them, with the reason.

import graphql from "@graphql-eslint/eslint-plugin";

// Parts of other objects, which a cache keeps with the object that they belong to.
const PARTS = [
  "ChannelPosition", "GroupInvite", "GroupInvitePreview", "Limits", "Budget", "Location", "MemberPosition", "PageInfo",
  "Presence", "PrivacySettings", "PushEmail", "PushSettings", "QuietHours", "Reaction", "Receipt", "Rendition", "Session",
  "SystemNotice", "UploadHeader", "UploadPart", "UploadTicket",
];
// What is answered or told once.
const ANSWERS_AND_EVENTS = [
  "ChannelUpdated", "InboxProgress", "InboxReady", "LogAdvanced", "MessageAdded", "MessageUpdated", "ReceiptUpdated",
  "Refusal", "ResyncRequired", "SessionExpiring", "TypingUpdated", "ViewerChannelUpdated", "ViewerUpdated",
];

export default [
  {
    files: ["**/*.graphql"],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: "./schema.graphql" } },
    },
    plugins: { "@graphql-eslint": graphql },
    rules: {
      ...graphql.configs["flat/schema-recommended"].rules,
      ...graphql.configs["flat/schema-relay"].rules,
      // Lists that only grow at one end are paged in one direction.
      "@graphql-eslint/relay-arguments": ["error", { includeBoth: false }],
      // Short lists, such as a message's media, are lists. A receipt has no id: it is named by its message and member.
      "@graphql-eslint/relay-edge-types": [
        "error",
        { listTypeCanWrapOnlyEdgeType: false, shouldImplementNode: false },
      ],
      "@graphql-eslint/strict-id-in-types": [
        "error",
        {
          exceptions: {
            types: [...PARTS, ...ANSWERS_AND_EVENTS],
            suffixes: ["Connection", "Edge", "Payload"],
          },
        },
      ],
    },
  },
];
