// Today's orders and revenue of one counter: read once a connection, and then added up from what
// becomes of orders.

import { query, read } from "./api.js";
import { day, decimal, minor } from "./format.js";
import { live } from "./live.js";
import { isUndone } from "./orders.js";

const MINUTE_MS = 60_000;

export class Today extends EventTarget {
  #cafeteria;
  #figures = null;
  #asOf = 0;
  // Orders that the report which is being read may not know of.
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
    for (const order of recent) this.#add(order);
    this.dispatchEvent(new Event("change"));
  }

  // An order as it has become.
  hear(order) {
    this.#recent?.push(order);
    if (this.#figures && this.#add(order)) this.dispatchEvent(new Event("change"));
  }

  // Each is placed once and undone once at most, however often either is told; what was placed on
  // another day is of that day.
  #add(order) {
    if (!order.createdAt || day(Date.parse(order.createdAt)) !== this.#figures.date) return false;
    const isNew = this.#isFirst(order, "placed", order.createdAt);
    const isOver = isUndone(order) && this.#isFirst(order, "undone", order.updatedAt);
    const more = Number(isNew) - Number(isOver);
    this.#figures.orders += more;
    this.#figures.revenue += more * minor(order.totalAmount);
    if (isOver) this.#figures[order.status] += 1;
    return isNew || isOver;
  }

  // Whether that is neither in the report nor counted yet.
  #isFirst({ id }, what, at) {
    const name = `${id}:${what}`;
    if (Date.parse(at) <= this.#asOf || this.#counted.has(name)) return false;
    this.#counted.add(name);
    return true;
  }
}
