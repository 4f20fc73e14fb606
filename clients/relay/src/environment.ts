// Relay's environment for Parley: requests over HTTP, subscriptions over graphql-ws.

import type { Client as Socket } from "graphql-ws";
import { Environment, Network, Observable, RecordSource, Store } from "relay-runtime";
import type { GraphQLResponse, RequestParameters, Variables } from "relay-runtime";

/** The tokens of a signed-in device, wherever the app keeps them. */
export interface Session {
  accessToken(): string;
  /** Call refreshSession, once for all who wait, and store the new tokens. */
  refresh(rejected: string): Promise<void>;
}

export function createEnvironment(url: string, session: Session, socket: Socket): Environment {
  const subscribe = (request: RequestParameters, variables: Variables): Observable<GraphQLResponse> =>
    Observable.create((sink) => socket.subscribe({ query: request.text ?? "", variables }, sink as never));
  return new Environment({
    network: Network.create((request, variables) => ask(url, session, request, variables), subscribe),
    store: new Store(new RecordSource()),
  });
}

/** Ask, and once more with a new token where the server does not take this one. */
async function ask(
  url: string,
  session: Session,
  request: RequestParameters,
  variables: Variables,
): Promise<GraphQLResponse> {
  const accessToken = session.accessToken();
  const answer = await post(url, accessToken, request, variables);
  if (!isRejected(answer)) return answer;
  await session.refresh(accessToken);
  return post(url, session.accessToken(), request, variables);
}

async function post(
  url: string,
  accessToken: string,
  request: RequestParameters,
  variables: Variables,
): Promise<GraphQLResponse> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${accessToken}` };
  const body = JSON.stringify({ query: request.text, variables });
  return (await (await fetch(url, { method: "POST", headers, body })).json()) as GraphQLResponse;
}

function isRejected(answer: GraphQLResponse): boolean {
  const { errors = [] } = answer as { errors?: { extensions?: { code?: string } }[] };
  return errors.some(({ extensions }) => extensions?.code === "UNAUTHENTICATED");
}
