// Who is at the counter. Both tokens are in memory and in this tab's sessionStorage, so that a
// reload asks for no password, and nothing is left when the tab is closed; never in an address.

import { exchange } from "./http.js";

const KEY = "comanda-console-session";
// A token is renewed when so much of its life is over.
const SHARE = 0.8;
const LEAST_DELAY_MS = 1000;
const JSON_TYPE = { "content-type": "application/json" };

class Session extends EventTarget {
  #grant = null;
  #renewing = null;
  #timer;

  get user() {
    return this.#grant?.user ?? null;
  }

  get isAdmin() {
    return this.user?.role === "admin";
  }

  async signIn(email, password) {
    const body = JSON.stringify({ email, password, device: "console" });
    const answer = await exchange("POST", "/auth/login", { headers: JSON_TYPE, body });
    const grant = await answer.json();
    if (!["staff", "admin"].includes(grant.user.role)) {
      // Nobody else has anything to do here, and no session is left behind.
      await this.#leave(grant).catch(() => {});
      return false;
    }
    await alone();
    this.#take(grant, answer);
    return true;
  }

  // Go on after a reload; whether there is a session.
  async resume() {
    const kept = JSON.parse(sessionStorage.getItem(KEY));
    if (!kept) return false;
    if (!(await alone())) {
      sessionStorage.removeItem(KEY);
      return false;
    }
    this.#grant = kept;
    try {
      await this.renew();
    } catch (problem) {
      if (problem.status === 401) return false;
      // The server may be back in a moment, and the token may be good for long.
      this.#renewIn(LEAST_DELAY_MS);
    }
    return true;
  }

  token() {
    return this.#grant?.accessToken ?? null;
  }

  // Once, however many ask meanwhile.
  renew() {
    this.#renewing ??= this.#ask().finally(() => { this.#renewing = null; });
    return this.#renewing;
  }

  async signOut() {
    const grant = this.#grant;
    this.#end("left");
    if (grant) await this.#leave(grant).catch(() => {});
  }

  async #ask() {
    if (!this.#grant) return;
    const body = JSON.stringify({ refreshToken: this.#grant.refreshToken });
    try {
      const answer = await exchange("POST", "/auth/refresh", { headers: JSON_TYPE, body });
      this.#take(await answer.json(), answer);
      this.dispatchEvent(new Event("renewed"));
    } catch (problem) {
      if (problem.status === 401) this.#end("over");
      else this.#renewIn((problem.retryAfter ?? 5) * 1000);
      throw problem;
    }
  }

  #take(grant, answer) {
    this.#grant = grant;
    sessionStorage.setItem(KEY, JSON.stringify(grant));
    // By the server's clock, for the tablet's may be wrong.
    const now = Date.parse(answer.headers.get("date")) || Date.now();
    this.#renewIn(SHARE * (Date.parse(grant.expiresAt) - now));
  }

  #renewIn(milliseconds) {
    clearTimeout(this.#timer);
    const delay = Math.max(LEAST_DELAY_MS, milliseconds);
    this.#timer = setTimeout(() => this.renew().catch(() => {}), delay);
  }

  #leave(grant) {
    const headers = { authorization: `Bearer ${grant.accessToken}` };
    return exchange("POST", "/auth/logout", { headers });
  }

  #end(why) {
    clearTimeout(this.#timer);
    this.#grant = null;
    sessionStorage.removeItem(KEY);
    this.dispatchEvent(new CustomEvent("ended", { detail: why }));
  }
}

// A tab that was duplicated has the other's tokens, too, and to use one twice ends the session for
// both. Each holds a lock of its own name as long as it lives: who cannot have it is the copy.
const TAB = "comanda-console-tab";
const PATIENCE_MS = 1000;
let held = null;

function alone() {
  held ??= hold();
  return held;
}

async function hold() {
  // Browsers have locks over HTTPS, and on this machine.
  if (!navigator.locks) return true;
  const name = sessionStorage.getItem(TAB) ?? crypto.randomUUID();
  sessionStorage.setItem(TAB, name);
  const isOurs = await new Promise((resolve) => {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const keep = () => { resolve(true); return new Promise(() => {}); };
    navigator.locks.request(`${TAB}:${name}`, { signal }, keep).catch(() => resolve(false));
  });
  if (!isOurs) {
    // A new name, for a session of its own.
    sessionStorage.removeItem(TAB);
    held = null;
  }
  return isOurs;
}

export const session = new Session();
