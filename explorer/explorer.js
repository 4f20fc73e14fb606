// GraphiQL for Parley: one place for the viewer's token, numbered tabs for what an app does, and
// subscriptions whose events add up in the result pane.

import { fillIn, learn } from "./known.js";
import { Session } from "./session.js";
import { numberTabs, readTabs, second } from "./tabs.js";
import { ENDPOINT, findOperation, overHttp, overSocket, withHint } from "./transport.js";
import { showUpload, startUpload } from "./upload.js";

const UPLOADING = new Set(["CreateUpload", "CompleteUpload"]);
// Narrow panes and telephones: what is too long for a line goes on in the next one.
const EDITOR_OPTIONS = { wordWrap: "on", lineNumbersMinChars: 2, lineDecorationsWidth: 6 };

const byId = (id) => document.getElementById(id);
const tabs = readTabs();
const session = new Session(ENDPOINT, () => queueMicrotask(showViewer));

function showViewer() {
  const { text, alarm } = session.describe();
  byId("viewer").textContent = text;
  byId("viewer").classList.toggle("alarm", alarm);
  byId("enter").hidden = Boolean(session.accessToken);
  byId("forget").hidden = !session.accessToken;
  if (document.activeElement !== byId("token")) byId("token").value = session.accessToken;
}

function takeOver(result, variables) {
  const data = result.data ?? {};
  learn(data, variables);
  const signedIn = data.signIn ?? data.refreshSession;
  if (signedIn?.accessToken) session.keep(signedIn);
  if (data.signOut?.deviceId) session.keep({ accessToken: "" });
}

async function ask(params) {
  const filled = { ...params, variables: fillIn(params.variables ?? {}) };
  const result = await overHttp(filled, session.headers);
  takeOver(result, filled.variables);
  return withHint(result);
}

function fetcher({ parse }, client) {
  return async (given) => {
    try {
      const meant = findOperation(parse(given.query), given.operationName);
      const params = { ...given, operationName: meant?.name?.value };
      if (meant?.operation !== "subscription") return await ask(params);
      const variables = fillIn(params.variables ?? {});
      return overSocket(client, { ...params, variables }, (data) => learn(data, variables));
    } catch (error) {
      return { errors: [{ message: error.message }] };
    }
  };
}

// Tabs 1 and 2 by one click. Only a development server shows the code.
async function enter() {
  for (const { query, variables } of tabs.slice(0, 2)) {
    const { data, errors } = await ask({ query, variables: JSON.parse(variables) });
    const answer = data && Object.values(data)[0];
    if (errors || answer.code) throw new Error(errors?.[0].message ?? answer.reason);
    if (answer.developmentCode === null) {
      throw new Error("The code comes by SMS: write it into tab 2");
    }
  }
}

function startSession(client) {
  const enterNow = () => enter().catch((error) => session.tell(error.message));
  byId("token").addEventListener("change", ({ target }) => session.paste(target.value));
  byId("enter").addEventListener("click", enterNow);
  byId("forget").addEventListener("click", () => {
    session.keep({ accessToken: "" });
    client.terminate(); // What still runs would go on as the person who was forgotten.
  });
  byId("enter").textContent = second ? "Sign in as Bob" : "Sign in as Alice";
  if (second && !session.accessToken) enterNow();
  setInterval(showViewer, 5_000);
}

async function load() {
  const { module, workers } = JSON.parse(byId("vendor").textContent);
  globalThis.MonacoEnvironment = {
    getWorker: (_, label) => new Worker(workers[label] ?? workers.editor, { type: "module" }),
  };
  const vendor = await import(module);
  const { editor, languages } = await vendor.loadEditor();
  editor.onDidCreateEditor((made) => made.updateOptions(EDITOR_OPTIONS));
  // A {{word}} in the place of a number is no fault.
  const { jsonDefaults } = languages.json;
  const set = jsonDefaults.setDiagnosticsOptions.bind(jsonDefaults);
  jsonDefaults.setDiagnosticsOptions = (given) => set({ ...given, schemaValidation: "ignore" });
  return vendor;
}

function show(vendor, client) {
  // GraphiQL takes the first tab's variables from its storage only, never from defaultTabs.
  if (!sessionStorage.getItem("graphiql:tabState")) {
    sessionStorage.setItem("graphiql:variables", tabs[0].variables);
  }
  const props = {
    fetcher: fetcher(vendor, client),
    defaultTabs: tabs.map(({ query, variables }) => ({ query, variables })),
    isHeadersEditorEnabled: false,
    defaultEditorToolsVisibility: "variables",
    onTabChange: (state) => showUpload(UPLOADING.has(state.tabs[state.activeTabIndex]?.title)),
    plugins: [vendor.HISTORY_PLUGIN, vendor.explorerPlugin()],
    shouldPersistHeaders: false,
    storage: sessionStorage,
  };
  vendor.createRoot(byId("graphiql")).render(vendor.createElement(vendor.GraphiQL, props));
  numberTabs(tabs);
}

function say(text) {
  const main = byId("graphiql");
  main.className = "plain";
  main.textContent = text;
}

async function start() {
  if (!byId("vendor")) {
    say(
      "GraphiQL's files were not made yet. “make explorer” on the server makes them, once; it needs " +
        "internet for that.",
    );
    return;
  }
  const vendor = await load();
  const client = vendor.createClient({
    url: new URL(ENDPOINT, location.href).href.replace(/^http/, "ws"),
    // As of the moment of connecting: the token changes.
    connectionParams: () => session.headers,
    // An explorer should see that a socket closed, and why.
    retryAttempts: 0,
  });
  startSession(client);
  show(vendor, client);
  await startUpload();
}

start().catch((error) => say(`GraphiQL could not be loaded: ${error.message}`));
