// The socket: one for the page, of one counter's orders. It says what is new ("news"), what on the
// menu is another by now ("invalidated"), how it is ("state"), and when more than it tells may have
// happened ("behind").

import { io } from "./socket.io-client/socket.io.esm.min.js";
import { session } from "./session.js";

const NEWS = ["order:created", "order:accepted", "order:updated"];
const PATIENCE_MS = 10_000;
const AGAIN_MS = 2000;
// A counter waits for no more than that once the server is back; there are few of them.
const MOST_DELAY_MS = 2000;

class Live extends EventTarget {
  #socket = null;
  #cafeteria = null;
  #watched = null;
  state = "connecting";
  // How far one has to see to see all that was told; for what is read because of it.
  fence = null;

  open(cafeteriaId) {
    this.#cafeteria = cafeteriaId;
    this.#socket = io("/orders", {
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelayMax: MOST_DELAY_MS,
      // Read at each connection, for a token lives for a quarter of an hour.
      auth: (give) => give({ token: session.token() }),
    });
    const socket = this.#socket;
    for (const name of NEWS) socket.on(name, (news) => this.#tell("news", news));
    socket.on("cache:invalidated", (told) => this.#tell("invalidated", told));
    socket.on("connect", () => this.#connected());
    socket.on("disconnect", () => this.#become("lost"));
    socket.on("connect_error", (error) => this.#refused(error));
    session.addEventListener("renewed", this.#renew);
  }

  close() {
    session.removeEventListener("renewed", this.#renew);
    this.#socket?.close();
    this.#socket = null;
    // Whoever comes next may not even leave the counter that was watched.
    this.#watched = null;
    this.fence = null;
    this.state = "connecting";
  }

  // Another counter, for who runs them all.
  async move(cafeteriaId) {
    this.#cafeteria = cafeteriaId;
    if (this.#socket.connected) await this.#subscribe();
  }

  #connected() {
    const isThere = this.#socket.recovered && this.#watched === this.#cafeteria;
    return isThere ? this.#become("live") : this.#subscribe();
  }

  async #subscribe() {
    const [socket, cafeteriaId] = [this.#socket, this.#cafeteria];
    try {
      if (this.#watched && this.#watched !== cafeteriaId) {
        await this.#ask("order:unsubscribe_live_feed", { cafeteriaId: this.#watched });
      }
      await this.#ask("cache:subscribe", { tags: ["menu"] });
      const { fence } = await this.#ask("order:subscribe_live_feed", { cafeteriaId });
      this.#watched = cafeteriaId;
      this.#become("live");
      this.#tell("behind", { fence });
    } catch {
      // Refused because too much happens, or cut off: then it connects by itself.
      setTimeout(() => { if (socket === this.#socket && socket.connected) this.#subscribe(); }, AGAIN_MS);
    }
  }

  async #ask(event, told) {
    const answer = await this.#socket.timeout(PATIENCE_MS).emitWithAck(event, told);
    if (answer.status === "refused") throw new Error(answer.problem.title);
    return answer;
  }

  async #refused(error) {
    this.#become("lost");
    const socket = this.#socket;
    // What the network refuses is tried again by the client; what the server refuses is not.
    if (!socket || socket.active) return;
    if (error.data?.status === 401) await session.renew().catch(() => {});
    setTimeout(() => { if (socket === this.#socket) socket.connect(); }, AGAIN_MS);
  }

  #renew = () => {
    if (this.#socket?.connected) this.#socket.emit("auth:renew", { token: session.token() });
  };

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.#say("state", state);
  }

  #tell(name, told) {
    this.fence = told.fence;
    this.#say(name, told);
  }

  #say(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

export const live = new Live();
