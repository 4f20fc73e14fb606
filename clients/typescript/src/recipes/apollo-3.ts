// Apollo Client 3, from 3.8 on. In an app, the package is `@apollo/client`; here it has a name of its own,
// since this folder has Apollo Client 4, too.

import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "apollo-client-3/core/index.js";
import type { NormalizedCacheObject } from "apollo-client-3/core/index.js";
import { GraphQLWsLink } from "apollo-client-3/link/subscriptions/index.js";
import { getMainDefinition } from "apollo-client-3/utilities/index.js";
import type { Client as Socket } from "graphql-ws";

import { AcknowledgeDocument, InboxDocument } from "../generated/graphql.js";
import type { InboxSubscriptionVariables } from "../generated/graphql.js";
import { possibleTypes } from "../generated/schema.js";
import type { Session } from "../session.js";
import { dataIdFromObject, typePolicies, writeEvent } from "./apollo-cache.js";
import { authorizedFetch, subscribing, taking } from "./authorized.js";
import type { Following } from "./authorized.js";

export type Client = ApolloClient<NormalizedCacheObject>;

export function apolloClient(session: Session, socket: Socket): Client {
  return new ApolloClient({
    cache: new InMemoryCache({ dataIdFromObject, possibleTypes, typePolicies }),
    link: ApolloLink.split(
      ({ query }) => {
        const definition = getMainDefinition(query);
        return definition.kind === "OperationDefinition" && definition.operation === "subscription";
      },
      new GraphQLWsLink(socket),
      new HttpLink({ uri: session.url, fetch: authorizedFetch(session) }),
    ),
  });
}

/** Follow the inbox: write what comes to the cache, and acknowledge it. Returns what stops it. */
export function follow(
  client: Client,
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
      const subscription = events.subscribe({
        next: ({ data }) => {
          if (!data) return;
          writeEvent(client.cache, data.inbox, session.tokens.userId);
          take(data.inbox);
        },
        error: ended,
      });
      return () => subscription.unsubscribe();
    },
    following.over,
  );
}
