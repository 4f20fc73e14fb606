// The audit of graphql-http: the specification "GraphQL over HTTP", signed in, before production's limits.

import { auditServer } from "graphql-http";

const authorization = `Bearer ${process.env.PARLEY_TOKEN}`;
const results = await auditServer({
  url: process.env.PARLEY_PRODUCTION_URL,
  fetchFn: (url, init = {}) => {
    const headers = new Headers(init.headers);
    headers.set("authorization", authorization);
    return fetch(url, { ...init, headers });
  },
});
for (const { status, name, reason } of results) {
  if (status !== "ok") console.log(`# ${status}: ${name}: ${reason}`);
}
const passed = results.filter(({ status }) => status === "ok").length;
console.log(`# pass ${passed}`);
console.log(`# fail ${results.length - passed}`);
process.exitCode = passed === results.length ? 0 : 1;
