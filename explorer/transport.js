// How an operation gets to the server, and what the page makes of the answer.

const EVENTS_SHOWN = 100;
const SHOW_EVERY_MS = 100;

export const ENDPOINT = "/graphql";

const CLOSED = {
  1001: "the server went away",
  1006: "the connection broke",
  1009: "the frame was too large",
  1012: "the server is being replaced: run again to go on",
  1013: "too slow or too much at once: run again to go on",
  4401: "the session is over: run tabs 1 and 2 to sign in again",
  4408: "the server waited too long for connection_init",
  4429: "connection_init was sent twice",
  4499: "you chose Forget",
};

export async function overHttp(params, headers) {
  const answer = await fetch(ENDPOINT, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json",
      ...headers,
    },
    body: JSON.stringify(params),
  });
  const text = await answer.text();
  try {
    return JSON.parse(text);
  } catch {
    return { errors: [{ message: `HTTP ${answer.status}: ${text.slice(0, 500)}` }] };
  }
}

// What the server says, and which tab to run where it asks who is there.
export function withHint(result) {
  const errors = result.errors?.map((error) =>
    error.extensions?.code === "UNAUTHENTICATED"
      ? { ...error, message: `${error.message} Run tabs 1 and 2 in this window to sign in.` }
      : error,
  );
  return errors ? { ...result, errors } : result;
}

function whyClosed(error) {
  if (Array.isArray(error)) return withHint({ errors: error });
  if (!error.code) return { errors: [{ message: error.message }] };
  const reason = CLOSED[error.code] || error.reason || "no reason given";
  return { closed: { code: error.code, reason } };
}

// GraphiQL shows the latest result only, so each one holds those before it, the newest first. A burst
// of events is one result.
export function overSocket(client, params, saw) {
  return {
    subscribe({ next, complete }) {
      let events = 0;
      let shown = [];
      let timer = 0;
      const show = (extra) => {
        clearTimeout(timer);
        timer = 0;
        next({ ...extra, events, newestFirst: shown });
      };
      const end = (extra) => {
        show(extra);
        complete();
      };
      const stop = client.subscribe(params, {
        next: (result) => {
          events += 1;
          saw(result.data ?? {});
          shown = [result.errors ? withHint(result) : result.data, ...shown].slice(0, EVENTS_SHOWN);
          timer ||= setTimeout(show, SHOW_EVERY_MS);
        },
        error: (error) => end(whyClosed(error)),
        complete: () => end({ completed: true }),
      });
      return { unsubscribe: stop };
    },
  };
}

// The operation that is meant. GraphiQL learns a moment after its text which operation a tab holds:
// who is quick runs the new text by the name of the last one.
export function findOperation(document, operationName) {
  const operations = document.definitions.filter(({ kind }) => kind === "OperationDefinition");
  if (operations.length === 1) return operations[0];
  return operations.find(({ name }) => name?.value === operationName);
}
