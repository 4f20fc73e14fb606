// What earlier answers have told, for the {{words}} in the variables of later tabs.

const KEY = "parley.known";

const LEARNED = {
  phoneNumber: (data, variables) => data.requestCode && variables.input?.phoneNumber,
  requestSecret: (data) => data.requestCode?.requestSecret,
  code: (data) => data.requestCode?.developmentCode,
  viewer: (data) => data.signIn?.user?.id,
  person: (data) => data.usersByPhone?.[0]?.id,
  channel: (data) => data.openChat?.chat?.id ?? data.createGroup?.group?.id,
  message: (data) => data.sendMessage?.message?.id,
};

const TOLD_BY = {
  phoneNumber: "Run tab 1 first, or write the number here.",
  requestSecret: "Run tab 1 first.",
  code: "Run tab 1 first; in production, write the code from the SMS here.",
  viewer: "Run tab 2 first.",
  person: "Run tab 3 first, or tab 2 for a chat with yourself.",
  channel: "Run tab 4 first, or tab 8.",
  message: "Run tab 5 first.",
};

function random() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function learn(data, variables) {
  const known = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  // Another person, another conversation.
  if (data.signIn?.user && data.signIn.user.id !== known.viewer) {
    delete known.person;
    delete known.channel;
    delete known.message;
  }
  for (const [word, find] of Object.entries(LEARNED)) {
    const value = find(data, variables ?? {});
    if (value) known[word] = value;
  }
  sessionStorage.setItem(KEY, JSON.stringify(known));
}

// The variables with every {{word}} filled in; throws a sentence when one is not known yet.
export function fillIn(variables) {
  const known = JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
  const value = (word) => {
    if (word === "random") return random();
    const found = known[word] ?? (word === "person" ? known.viewer : undefined);
    if (found === undefined) {
      throw new Error(`{{${word}}} is not known yet. ${TOLD_BY[word] ?? "Write a value."}`);
    }
    return found;
  };
  const walk = (node) => {
    if (typeof node === "string") return node.replace(/\{\{(\w+)\}\}/g, (_, word) => value(word));
    if (Array.isArray(node)) return node.map(walk);
    if (node && typeof node === "object") {
      return Object.fromEntries(Object.entries(node).map(([name, child]) => [name, walk(child)]));
    }
    return node;
  };
  return walk(variables);
}
