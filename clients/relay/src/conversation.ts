// A conversation that pages back. In React, give the fragment to usePaginationFragment, and call
// `loadPrevious` when the first message comes into sight.

import { graphql } from "relay-runtime";

export const messageFragment = graphql`
  fragment conversation_message on Message {
    id
    seq
    kind
    text
    clientMessageId
    sentAt
    editedAt
    deletedAt
    status
    sender {
      id
      name
    }
    reactions {
      emoji
      count
    }
  }
`;

export const conversationFragment = graphql`
  fragment conversation_channel on Channel
  @refetchable(queryName: "conversationPaginationQuery")
  @argumentDefinitions(count: { type: "Int", defaultValue: 50 }, cursor: { type: "String" }) {
    id
    title
    lastSeq
    unreadCount
    messages(last: $count, before: $cursor) @connection(key: "conversation_messages") {
      edges {
        node {
          id
          seq
          ...conversation_message
        }
      }
    }
  }
`;

export const conversationQuery = graphql`
  query conversationQuery($id: ID!) {
    channel(id: $id) {
      ...conversation_channel
    }
  }
`;
