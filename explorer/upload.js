// The file of tabs 15 to 17: a sample picture or one that is chosen, and its way to storage.

import { give, lookUp } from "./known.js";

const KINDS = { image: "IMAGE", video: "VIDEO", audio: "AUDIO" };
const byId = (id) => document.getElementById(id);

let file = null;

function choose(chosen) {
  file = chosen;
  give({
    fileName: file.name,
    fileType: file.type || "application/octet-stream",
    fileSize: file.size,
    fileKind: KINDS[file.type.split("/")[0]] ?? "FILE",
  });
  say(`${file.name}, ${file.size.toLocaleString()} bytes`);
}

function say(text) {
  byId("sent").textContent = text;
}

// In order: each part is what follows the one before it.
async function send() {
  const parts = lookUp("parts");
  if (!parts) throw new Error("Run tab 15 first.");
  if (parts.reduce((sum, part) => sum + part.byteSize, 0) !== file.size) {
    throw new Error("Another file was chosen since: run tab 15 again.");
  }
  let begin = 0;
  for (const part of parts) {
    say(`sending part ${part.number} of ${parts.length} …`);
    const body = file.slice(begin, begin + part.byteSize);
    begin += part.byteSize;
    // The browser writes the length itself.
    const named = part.headers.filter(({ name }) => name.toLowerCase() !== "content-length");
    const headers = Object.fromEntries(named.map(({ name, value }) => [name, value]));
    const answer = await fetch(part.url, { method: part.method, headers, body });
    if (!answer.ok) throw new Error(`Storage refused part ${part.number}: ${answer.status}.`);
  }
  say("The bytes are there: run tab 16.");
}

export function showUpload(shown) {
  byId("upload").hidden = !shown;
}

export async function startUpload() {
  byId("file").addEventListener("change", ({ target }) => choose(target.files[0] ?? file));
  byId("send").addEventListener("click", () => send().catch((error) => say(error.message)));
  const answer = await fetch("/explorer/sample.png");
  choose(new File([await answer.blob()], "sample.png", { type: "image/png" }));
}
