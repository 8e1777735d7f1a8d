// Today's orders and revenue of one counter: read once a connection, and then added up from events.

import { query, read } from "./api.js";
import { day, decimal, minor } from "./format.js";
import { live } from "./live.js";

const MINUTE_MS = 60_000;
// States in which an order was not sold after all.
const UNDONE = ["cancelled", "rejected"];

export class Today extends EventTarget {
  #cafeteria;
  #figures = null;
  #asOf = 0;
  // Events that the report which is being read may not know of.
  #recent = null;
  #counted = new Set();
  #midnight;

  constructor(cafeteriaId) {
    super();
    this.#cafeteria = cafeteriaId;
    // Another day begins without an event.
    this.#midnight = setInterval(() => {
      if (this.#figures && day(Date.now()) !== this.#figures.date) this.load();
    }, MINUTE_MS);
  }

  get figures() {
    if (!this.#figures) return null;
    const { orders, revenue, cancelled, rejected } = this.#figures;
    return { orders, revenue: decimal(revenue), undone: cancelled + rejected };
  }

  end() {
    clearInterval(this.#midnight);
  }

  async load() {
    this.#recent = [];
    let told;
    try {
      told = (await read(query("/api/reports/today", { cafeteriaId: this.#cafeteria }), live)).data;
    } catch {
      // The board is what matters; the figures stay as they are until the next connection.
      return;
    }
    const recent = this.#recent;
    this.#recent = null;
    const [row] = told.data;
    if (!row) return;
    this.#asOf = Date.parse(told.asOf);
    this.#counted.clear();
    this.#figures = { ...row, revenue: minor(row.revenue) };
    for (const news of recent) this.#add(news);
    this.dispatchEvent(new Event("change"));
  }

  hear(news) {
    if (news.cafeteriaId !== this.#cafeteria) return;
    this.#recent?.push(news);
    if (this.#figures && this.#add(news)) this.dispatchEvent(new Event("change"));
  }

  // Each order is placed once and undone once at most, however often either is told.
  #add({ orderId, status, totalAmount, at }) {
    const isNew = status === "created";
    if (!isNew && !UNDONE.includes(status)) return false;
    const name = `${orderId}:${isNew}`;
    if (Date.parse(at) <= this.#asOf || this.#counted.has(name)) return false;
    this.#counted.add(name);
    const one = isNew ? 1 : -1;
    this.#figures.orders += one;
    this.#figures.revenue += one * minor(totalAmount);
    if (!isNew) this.#figures[status] += 1;
    return true;
  }
}
