// What the page's own modules use of npm's packages; ../build.mjs makes files of it.
//
// graphiql/style.css would do for the styles, and bring 270 kB of fonts and Monaco's styles twice.

import "@graphiql/react/style.css";
import "@graphiql/plugin-doc-explorer/style.css";
import "@graphiql/plugin-history/style.css";
import "@graphiql/plugin-explorer/style.css";
import "graphiql/graphiql.css";

export { explorerPlugin } from "@graphiql/plugin-explorer";
export { GraphiQL, HISTORY_PLUGIN } from "graphiql";
export { parse } from "graphql";
export { createClient } from "graphql-ws";
export { createElement } from "react";
export { createRoot } from "react-dom/client";

// GraphiQL loads the editor by itself; the page wants it before, to choose its options.
export const loadEditor = () => import("monaco-graphql/esm/monaco-editor.js");
