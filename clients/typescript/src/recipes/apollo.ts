// Apollo Client 4 (rxjs is its peer). Requests over HTTP, subscriptions over graphql-ws.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import type { Client as Socket } from "graphql-ws";

import { AcknowledgeDocument, InboxDocument } from "../generated/graphql.js";
import type { InboxSubscriptionVariables } from "../generated/graphql.js";
import { possibleTypes } from "../generated/schema.js";
import type { InboxEvent } from "../reducer.js";
import type { Session } from "../session.js";
import { dataIdFromObject, typePolicies, writeEvent } from "./apollo-cache.js";
import { authorizedFetch, subscribing, taking } from "./authorized.js";
import type { Following } from "./authorized.js";

export function apolloClient(session: Session, socket: Socket): ApolloClient {
  return new ApolloClient({
    cache: new InMemoryCache({ dataIdFromObject, possibleTypes, typePolicies }),
    link: ApolloLink.split(
      ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
      new GraphQLWsLink(socket),
      new HttpLink({ uri: session.url, fetch: authorizedFetch(session) }),
    ),
  });
}

/** Follow the inbox: write what comes to the cache, and acknowledge it. Returns what stops it. */
export function follow(
  client: ApolloClient,
  session: Session,
  variables: InboxSubscriptionVariables & { streamId: string },
  following: Following = {},
): () => void {
  const { streamId } = variables;
  const take = taking(following, (cursor) =>
    client.mutate({ mutation: AcknowledgeDocument, variables: { streamId, cursor } }),
  );
  return subscribing(
    session,
    (ended) => {
      const events = client.subscribe({ query: InboxDocument, variables });
      const subscription = events.subscribe(({ data, error }) => {
        if (error) ended(error);
        if (!data) return;
        const event = data.inbox as InboxEvent;
        writeEvent(client.cache, event, session.tokens.userId);
        take(event);
      });
      return () => subscription.unsubscribe();
    },
    following.over,
  );
}
