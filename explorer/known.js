// What earlier answers have told, for the {{words}} in the variables of later tabs. known.json says
// where a word is found, of which other word it is a part, and what to do while it is not known.

const KEY = "parley.known";
const RULES = JSON.parse(document.getElementById("known").textContent);
// What the page knows by itself.
const given = {};

const read = () => JSON.parse(sessionStorage.getItem(KEY) ?? "{}");

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// "usersByPhone.0.id": names and places; -1 is the last place.
function find(path, node) {
  for (const step of path.split(".")) {
    node = Array.isArray(node) ? node.at(Number(step)) : node?.[step];
  }
  return node ?? undefined;
}

function forget(word, known) {
  for (const [part, rule] of Object.entries(RULES)) {
    if (rule.of !== word) continue;
    delete known[part];
    forget(part, known);
  }
}

export function learn(data, variables) {
  const known = read();
  for (const [word, rule] of Object.entries(RULES)) {
    const found = rule.from.map((path) => find(path, { ...data, variables }));
    const value = found.find((each) => each !== undefined);
    if (value === undefined) continue;
    if (known[word] !== value) forget(word, known);
    known[word] = value;
  }
  sessionStorage.setItem(KEY, JSON.stringify(known));
}

export function give(words) {
  Object.assign(given, words);
}

export function lookUp(word) {
  const known = { ...given, ...read() };
  return known[word] ?? known[RULES[word]?.or];
}

function need(word) {
  if (word === "random") return random();
  const value = lookUp(word);
  if (value === undefined) {
    const otherwise = RULES[word]?.otherwise ?? "Write a value.";
    throw new Error(`{{${word}}} is not known yet. ${otherwise}`);
  }
  return value;
}

function fillText(text) {
  const whole = text.match(/^\{\{(\w+)\}\}$/);
  // A word alone keeps its kind: a number is a number.
  return whole ? need(whole[1]) : text.replace(/\{\{(\w+)\}\}/g, (_, word) => need(word));
}

// The variables with every {{word}} filled in; throws a sentence when one is not known yet.
export function fillIn(node) {
  if (typeof node === "string") return fillText(node);
  if (Array.isArray(node)) return node.map(fillIn);
  if (node && typeof node === "object") {
    return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, fillIn(child)]));
  }
  return node;
}
