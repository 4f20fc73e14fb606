// GraphiQL for Parley: one place for the viewer's token, tabs for the main job, and subscriptions
// whose events add up in the result pane.

import { fillIn, learn } from "./known.js";
import { Session } from "./session.js";

const ENDPOINT = "/graphql";
const EVENTS_SHOWN = 100;
const SHOW_EVERY_MS = 100;

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

const byId = (id) => document.getElementById(id);

// The development numbers of the two people, and who is who in the window of the second one.
const SECOND = {
  "+14155550101": "+14155550102",
  "+14155550102": "+14155550101",
  '"Alice"': '"Bob"',
};

const session = new Session(ENDPOINT, () => queueMicrotask(showViewer));

function showViewer() {
  const { text, alarm } = session.describe();
  byId("viewer").textContent = text;
  byId("viewer").classList.toggle("alarm", alarm);
  if (document.activeElement !== byId("token")) byId("token").value = session.accessToken;
}

function takeOver(result, variables) {
  const data = result.data ?? {};
  learn(data, variables);
  const signedIn = data.signIn ?? data.refreshSession;
  if (signedIn?.accessToken) session.keep(signedIn);
  if (data.signOut?.deviceId) session.keep({ accessToken: "" });
}

async function overHttp(params) {
  const answer = await fetch(ENDPOINT, {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json",
      ...session.headers,
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

const sockets = (createClient) =>
  createClient({
    url: new URL(ENDPOINT, location.href).href.replace(/^http/, "ws"),
    // As of the moment of connecting: the token changes.
    connectionParams: () => session.headers,
    // An explorer should see that a socket closed, and why.
    retryAttempts: 0,
  });

// What the server says, and which tab to run where it asks who is there.
function withHint(result) {
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
function overSocket(client, params) {
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

function isSubscription(document, operationName) {
  const operations = (document?.definitions ?? []).filter(
    ({ kind, name }) =>
      kind === "OperationDefinition" && (!operationName || name?.value === operationName),
  );
  return operations[0]?.operation === "subscription";
}

function fetcher(client) {
  return async (params, options) => {
    let filled;
    try {
      filled = { ...params, variables: fillIn(params.variables ?? {}) };
    } catch (error) {
      return { errors: [{ message: error.message }] };
    }
    if (isSubscription(options?.documentAST, params.operationName)) {
      return overSocket(client, filled);
    }
    const result = await overHttp(filled);
    takeOver(result, filled.variables);
    return withHint(result);
  };
}

function readTabs() {
  const tabs = JSON.parse(byId("tabs").textContent);
  if (new URLSearchParams(location.search).get("as") !== "bob") return tabs;
  const swap = (text) => text.replace(/\+1415555010[12]|"Alice"/g, (found) => SECOND[found]);
  return tabs.map((tab) => ({ ...tab, variables: swap(tab.variables) }));
}

function forget(client) {
  session.keep({ accessToken: "" });
  client.terminate(); // What still runs would go on as the person who was forgotten.
}

// Narrow panes and telephones: what is too long for a line goes on in the next one.
const EDITOR_OPTIONS = { wordWrap: "on", lineNumbersMinChars: 2, lineDecorationsWidth: 6 };

async function load() {
  const { module, workers } = JSON.parse(byId("vendor").textContent);
  globalThis.MonacoEnvironment = {
    getWorker: (_, label) => new Worker(workers[label] ?? workers.editor, { type: "module" }),
  };
  const vendor = await import(module);
  const { editor } = await vendor.loadEditor();
  editor.onDidCreateEditor((made) => made.updateOptions(EDITOR_OPTIONS));
  return vendor;
}

function say(text) {
  const main = byId("graphiql");
  main.className = "plain";
  main.textContent = text;
}

async function start() {
  if (!byId("vendor")) {
    say(
      "GraphiQL's files were not made yet. With Node.js 18 or later on the server, “make explorer” " +
        "makes them, once; it needs internet for that.",
    );
    return;
  }
  const vendor = await load();
  const tabs = readTabs();
  // GraphiQL takes the first tab's variables from its storage only, never from defaultTabs.
  if (!sessionStorage.getItem("graphiql:tabState")) {
    sessionStorage.setItem("graphiql:variables", tabs[0].variables);
  }
  const client = sockets(vendor.createClient);
  byId("forget").addEventListener("click", () => forget(client));
  const props = {
    fetcher: fetcher(client),
    defaultTabs: tabs,
    isHeadersEditorEnabled: false,
    defaultEditorToolsVisibility: "variables",
    plugins: [vendor.HISTORY_PLUGIN, vendor.explorerPlugin()],
    shouldPersistHeaders: false,
    storage: sessionStorage,
  };
  vendor.createRoot(byId("graphiql")).render(vendor.createElement(vendor.GraphiQL, props));
}

byId("token").addEventListener("change", ({ target }) => session.paste(target.value));
setInterval(showViewer, 5_000);
start().catch((error) => say(`GraphiQL could not be loaded: ${error.message}`));
