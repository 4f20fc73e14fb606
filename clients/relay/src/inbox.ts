// The inbox, and how its events change Relay's store. Relay writes the objects of an event by itself:
// edited messages, renamed groups. What is written by hand is what joins a list.

import { ConnectionHandler, commitMutation, graphql, requestSubscription } from "relay-runtime";
import type { Disposable, Environment, RecordProxy, RecordSourceSelectorProxy } from "relay-runtime";

import type { Session } from "./environment";
import type { inboxAcknowledgeMutation } from "./__generated__/inboxAcknowledgeMutation.graphql";
import type { inboxSubscription, inboxSubscription$data } from "./__generated__/inboxSubscription.graphql";

export type InboxEvent = inboxSubscription$data["inbox"];

const subscription = graphql`
  subscription inboxSubscription($after: [PositionInput!], $streamId: ID!, $heartbeatSeconds: Int) {
    inbox(after: $after, streamId: $streamId, heartbeatSeconds: $heartbeatSeconds) {
      __typename
      ... on LogEvent {
        channelId
        seq
      }
      ... on MessageAdded {
        message {
          id
          seq
          ...conversation_message
        }
      }
      ... on MessageUpdated {
        message {
          id
          ...conversation_message
        }
      }
      ... on ChannelUpdated {
        message {
          id
          seq
          ...conversation_message
        }
        channel {
          id
          title
          memberCount
        }
      }
      ... on ReceiptUpdated {
        deliveredSeq
        readSeq
        member {
          id
        }
      }
      ... on ViewerChannelUpdated {
        unreadCount
        mutedUntil
        channel {
          id
        }
      }
      ... on InboxProgress {
        cursor
      }
      ... on InboxReady {
        cursor
      }
      ... on ResyncRequired {
        channelId
      }
    }
  }
`;

const acknowledgement = graphql`
  mutation inboxAcknowledgeMutation($streamId: ID!, $cursor: String!) {
    acknowledge(input: { streamId: $streamId, cursor: $cursor }) {
      __typename
    }
  }
`;

const SESSION_OVER = 4401;

export interface Following {
  onEvent?: (event: InboxEvent) => void;
  onAcknowledged?: (cursor: string) => void;
  /** Gets what cannot be repaired: the session is over, and cannot be refreshed. */
  onError?: (error: Error) => void;
}

/** Follow the inbox, and acknowledge what the store has taken. Relay subscribes with the same variables
 * after a lost connection: by `streamId` the server knows where to go on. graphql-ws gives up when the
 * session is over (4401); then it is refreshed, and followed again. */
export function follow(
  environment: Environment,
  session: Session,
  variables: inboxSubscription["variables"],
  following: Following = {},
): Disposable {
  let current: Disposable | undefined;
  let isDisposed = false;
  const start = (): void => {
    if (isDisposed) return;
    const rejected = session.accessToken();
    current = subscribe(environment, variables, following, (error) => {
      const { code } = error as { code?: number };
      if (code === SESSION_OVER) session.refresh(rejected).then(start, following.onError);
      else following.onError?.(error);
    });
  };
  start();
  return {
    dispose: () => {
      isDisposed = true;
      current?.dispose();
    },
  };
}

function subscribe(
  environment: Environment,
  variables: inboxSubscription["variables"],
  { onEvent, onAcknowledged }: Following,
  onError: (error: Error) => void,
): Disposable {
  return requestSubscription<inboxSubscription>(environment, {
    subscription,
    variables,
    updater: (store) => write(store),
    onNext: (data) => {
      if (!data) return;
      onEvent?.(data.inbox);
      if ("cursor" in data.inbox && data.inbox.cursor) {
        const { cursor } = data.inbox;
        acknowledge(environment, variables.streamId, cursor, () => onAcknowledged?.(cursor));
      }
    },
    onError,
  });
}

/** Say that everything up to here is stored. If it fails, the next cursor covers it. */
function acknowledge(environment: Environment, streamId: string, cursor: string, done: () => void): void {
  commitMutation<inboxAcknowledgeMutation>(environment, {
    mutation: acknowledgement,
    variables: { streamId, cursor },
    onCompleted: ({ acknowledge: { __typename } }) => {
      if (__typename === "AcknowledgePayload") done();
    },
    onError: () => undefined,
  });
}

function write(store: RecordSourceSelectorProxy): void {
  const event = store.getRootField("inbox");
  if (event === null) return;
  const channel = store.get(String(event.getValue("channelId"))) ?? event.getLinkedRecord("channel");
  switch (event.getValue("__typename")) {
    case "MessageAdded":
    case "ChannelUpdated":
      if (channel) addMessage(store, channel, event.getLinkedRecord("message"));
      break;
    case "ReceiptUpdated":
      movePosition(event);
      return;
    case "ViewerChannelUpdated":
      channel?.setValue(event.getValue("unreadCount"), "unreadCount");
      channel?.setValue(event.getValue("mutedUntil"), "mutedUntil");
      return;
    case "ResyncRequired":
      // A screen that shows it fetches it again.
      channel?.invalidateRecord();
      return;
    default:
      // Also what a later server tells in an event that this client does not know.
      break;
  }
  const seq = event.getValue("seq");
  if (channel && typeof seq === "number" && seq > Number(channel.getValue("lastSeq") ?? 0)) {
    channel.setValue(seq, "lastSeq");
  }
}

/** Add a message to the end of its conversation, once. */
function addMessage(
  store: RecordSourceSelectorProxy,
  channel: RecordProxy,
  message: RecordProxy | null | undefined,
): void {
  const connection = ConnectionHandler.getConnection(channel, "conversation_messages");
  if (!connection || !message) return;
  const held = connection.getLinkedRecords("edges") ?? [];
  const isThere = held.some((edge) => edge?.getLinkedRecord("node")?.getDataID() === message.getDataID());
  if (isThere) return;
  const edge = ConnectionHandler.createEdge(store, connection, message, "MessageEdge");
  ConnectionHandler.insertEdgeAfter(connection, edge);
}

/** Move a member's position, if the store has it: only forward. */
function movePosition(event: RecordProxy): void {
  const position = event.getLinkedRecord("member")?.getLinkedRecord("position");
  for (const name of ["deliveredSeq", "readSeq"]) {
    const held = Number(position?.getValue(name) ?? 0);
    position?.setValue(Math.max(held, Number(event.getValue(name))), name);
  }
}
