// The viewer's tokens, in one place: this window's storage, so that two windows are two people and
// nothing outlives the window. The access token is renewed while the window is open.

const RENEW_BEFORE_MS = 30_000;
const REFRESH = `mutation ($refreshToken: String!) {
  refreshSession(refreshToken: $refreshToken) {
    ... on Session { accessToken refreshToken user { name } }
    ... on Refusal { code reason }
  }
}`;

const read = (name) => sessionStorage.getItem(`parley.${name}`) ?? "";
const write = (name, value) => sessionStorage.setItem(`parley.${name}`, value ?? "");

function expiryMs(token) {
  try {
    const claims = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    return JSON.parse(atob(claims)).exp * 1000 || Infinity;
  } catch {
    return Infinity; // Not for this page to judge: the server will.
  }
}

export class Session {
  constructor(endpoint, changed) {
    this.endpoint = endpoint;
    this.changed = changed;
    this.timer = 0;
    this.note = "";
    this.schedule();
  }

  get accessToken() {
    return read("accessToken");
  }

  get headers() {
    return this.accessToken ? { authorization: `Bearer ${this.accessToken}` } : {};
  }

  describe() {
    if (this.note) return { text: this.note, alarm: true };
    if (!this.accessToken) return { text: "Not signed in", alarm: false };
    const until = expiryMs(this.accessToken);
    if (until < Date.now()) return { text: "Expired: sign in again", alarm: true };
    const time = Number.isFinite(until) ? `, until ${new Date(until).toLocaleTimeString()}` : "";
    return { text: `${read("name") || "Token set"}${time}`, alarm: false };
  }

  // Shown in the bar until the next token.
  tell(note) {
    this.note = note;
    this.changed();
  }

  // A token typed or pasted by hand: whose it is, and how to renew it, is not known.
  paste(accessToken) {
    this.keep({ accessToken: accessToken.trim().replace(/^Bearer\s+/i, "") });
  }

  // A Session of the API, or a part of one.
  keep({ accessToken, refreshToken, user }) {
    this.note = "";
    write("accessToken", accessToken);
    write("refreshToken", refreshToken);
    write("name", user?.name);
    this.schedule();
  }

  schedule() {
    clearTimeout(this.timer);
    if (read("refreshToken")) {
      const delay = expiryMs(this.accessToken) - RENEW_BEFORE_MS - Date.now();
      if (Number.isFinite(delay)) this.timer = setTimeout(() => this.renew(), Math.max(delay, 0));
    }
    this.changed();
  }

  async renew() {
    const name = read("name");
    const body = JSON.stringify({
      query: REFRESH,
      variables: { refreshToken: read("refreshToken") },
    });
    try {
      const headers = { "content-type": "application/json" };
      const answer = await fetch(this.endpoint, { method: "POST", headers, body });
      const result = (await answer.json()).data?.refreshSession;
      if (result?.accessToken) {
        this.keep({ user: { name }, ...result });
      } else if (result?.code === "SESSION_REVOKED") {
        this.keep({ accessToken: "" });
        this.tell("The session is over: sign in again");
      }
    } catch {
      this.timer = setTimeout(() => this.renew(), 5_000); // The server is away; the token may last.
    }
  }
}
