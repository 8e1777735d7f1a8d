// Many clients that watch orders through whatever happens, as an app does: by version.
//
// Standard input: one line of JSON, [{"url", "token", "orders" or "from"}, ...]. One with `orders`
// subscribes to each of them, one with `from` to the live feed and reads the list from that order
// on. Then, for each line that follows, one of JSON: what all of them know, and counts.
"use strict";
const { io } = require("socket.io-client");
const readline = require("node:readline");

const counts = { events: 0, duplicates: 0, gaps: 0, connects: 0, recovered: 0, subscribed: 0 };
const lags = [];
const watchers = [];

class Watcher {
  constructor({ url, token, orders, from }) {
    Object.assign(this, { url, token, orders, from, known: new Map(), round: 0 });
    this.socket = io(`${url}/orders`, {
      forceNew: true,
      auth: { token },
      transports: ["websocket"],
      reconnectionDelay: 100,
      reconnectionDelayMax: 500,
    });
    for (const name of ["order:created", "order:accepted", "order:updated"]) {
      this.socket.on(name, (news) => this.hear(news));
    }
    this.socket.on("connect", () => this.connected());
    // The server turns nobody away for good; socket.io-client leaves it to the app to try again.
    this.socket.on("connect_error", () => {
      if (!this.socket.active) setTimeout(() => this.socket.connect(), 200);
    });
  }

  hear({ orderId, version, status, at }) {
    counts.events += 1;
    lags.push(Date.now() - Date.parse(at));
    const before = this.known.get(orderId);
    if (before && version > before.version + 1) counts.gaps += 1;
    this.learn(orderId, version, status);
  }

  learn(id, version, status) {
    const before = this.known.get(id);
    if (before && before.version >= version) counts.duplicates += 1;
    else this.known.set(id, { version, status });
  }

  async connected() {
    counts.connects += 1;
    if (this.socket.recovered) {
      counts.recovered += 1;
      return;
    }
    const round = ++this.round;
    while (round === this.round && this.socket.connected) {
      try {
        await (this.orders ? this.subscribe() : this.read());
        counts.subscribed += 1;
        return;
      } catch {
        await new Promise((done) => setTimeout(done, 200));
      }
    }
  }

  async ask(event, data) {
    const answer = await this.socket.timeout(5000).emitWithAck(event, data);
    if (answer.status === "refused") throw new Error(answer.problem.title);
    return answer;
  }

  async subscribe() {
    for (const orderId of this.orders) {
      const { order } = await this.ask("order:subscribe", { orderId });
      this.learn(order.id, order.version, order.status);
    }
  }

  async read() {
    const { fence } = await this.ask("order:subscribe_live_feed", { cafeteriaId: 1 });
    let query = "fields=id,version,status&limit=100";
    for (let page = 1; ; page += 1) {
      const answer = await fetch(`${this.url}/api/orders?${query}&page=${page}`, {
        headers: { authorization: `Bearer ${this.token}`, "comanda-fence": fence },
      });
      if (!answer.ok) throw new Error(`${answer.status}`);
      const { data } = await answer.json();
      const ours = data.filter(({ id }) => id >= this.from);
      for (const { id, version, status } of ours) this.learn(id, version, status);
      if (ours.length < data.length || !data.length) return;
    }
  }
}

const said = readline.createInterface({ input: process.stdin });
said.once("line", (line) => {
  watchers.push(...JSON.parse(line).map((asked) => new Watcher(asked)));
  said.on("line", () => {
    lags.sort((one, other) => one - other);
    const known = watchers.map((watcher) => Object.fromEntries(watcher.known));
    const ready = watchers.filter(({ socket }) => socket.connected).length;
    const [p50, p99] = [0.5, 0.99].map((share) => lags[Math.floor(lags.length * share)] ?? 0);
    console.log(JSON.stringify({ known, ready, counts: { ...counts, p50, p99 } }));
  });
});
said.on("close", () => process.exit(0));
