// The orders under way at one counter, as they are now: read once, and then told of.
//
// Everything is by version, so it does not matter whether the socket, a list or the answer to a move
// says something first, or twice. The news of an order have no items and no name: those come with the
// changes since a position (GET /api/orders/changes), which are also what a page that was away missed.

import { query, read, write } from "./api.js";
import { live } from "./live.js";
import { isOpen, OPEN } from "./orders.js";

const FIELDS = "id,cafeteriaId,status,totalAmount,version,pickupCode,createdAt,updatedAt,customer.name,items.quantity,items.productName";
const PAGE = 100;
// A counter that has more under way has other worries; the oldest are shown.
const MOST = 500;
const MOST_CLOSED = 2000;
// News that come together are filled in together: one request, however many there are.
const TOGETHER_MS = 300;
// And no more often than that: somebody may ask a hundred times a minute (docs/edge.md), and have
// two tablets.
const SPACED_MS = 1500;
const AGAIN_MS = 5000;

export class OpenOrders extends EventTarget {
  #cafeteria;
  #orders = new Map();
  // Versions of those that are over, for a late word of theirs.
  #closed = new Map();
  #touched = new Set();
  #position = null;
  #timer = null;
  #filled = -SPACED_MS;
  #isBehind = false;
  #catching = null;
  #ended = new AbortController();

  constructor(cafeteriaId) {
    super();
    this.#cafeteria = cafeteriaId;
  }

  get all() {
    return [...this.#orders.values()];
  }

  // Aborted when nobody wants to know any more.
  get signal() {
    return this.#ended.signal;
  }

  get(id) {
    return this.#orders.get(id);
  }

  end() {
    this.#ended.abort();
    clearTimeout(this.#timer);
  }

  // What is told of an order over the socket.
  hear({ orderId, cafeteriaId, status, totalAmount, pickupCode, reason, version, at }) {
    if (cafeteriaId !== this.#cafeteria) return;
    const told = { id: orderId, status, totalAmount, pickupCode, reason, version, updatedAt: at };
    const isNew = status === "created";
    if (isNew) told.createdAt = at;
    // Of one that nobody knew of it is not told when it was placed: it comes with the changes.
    if (isNew || this.#orders.has(orderId) || !isOpen(told)) this.#learn(told, true);
    if (isOpen(told) && !this.#orders.get(orderId)?.items) this.#fill(TOGETHER_MS);
  }

  // Get to know all that has happened, at the first time or after having been away.
  catchUp() {
    // What is being read may be from before this.
    this.#isBehind = true;
    this.#catching ??= this.#catchUp().finally(() => { this.#catching = null; });
    return this.#catching;
  }

  // Have an order go on to another state. Raises Problem; what stands in the way is shown by then.
  async move(id, status, reason) {
    const seen = this.#orders.get(id);
    if (!seen) return null;
    const isCancelled = status === "cancelled";
    const path = `/api/orders/${id}/${isCancelled ? "cancel" : "status"}`;
    const body = { ...(isCancelled ? {} : { status }), version: seen.version, reason };
    try {
      const { data } = await write("POST", path, body);
      this.#learn(data, false);
      return data;
    } catch (problem) {
      if (problem.status !== 409 || !problem.present?.status) throw problem;
      // Somebody was quicker, or this very move arrived though its answer was lost.
      this.#learn({ id, ...problem.present }, false);
      if (problem.present.status === status) return this.#orders.get(id) ?? { ...seen, status };
      throw problem;
    }
  }

  async #catchUp() {
    while (this.#isBehind && !this.signal.aborted) {
      this.#isBehind = false;
      try {
        if (this.#position === null) await this.#readAll();
        else await this.#readChanges();
        this.dispatchEvent(new Event("current"));
      } catch (problem) {
        if (this.signal.aborted || problem.status === 401) return;
        this.#isBehind = true;
        // 410: the position is of another database than there is now.
        if (problem.kind === "position-lost") this.#position = null;
        else await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
  }

  async #readAll() {
    const { signal } = this;
    const { fence } = live;
    const { data } = await read("/api/orders/changes", { fence, signal });
    this.#touched.clear();
    const listed = new Set();
    for (let cursor; listed.size < MOST;) {
      const asked = { status: OPEN, cafeteriaId: this.#cafeteria, sort: "createdAt", limit: PAGE, fields: FIELDS, cursor };
      const page = (await read(query("/api/orders", asked), { fence, signal })).data;
      for (const order of page.data) {
        listed.add(order.id);
        this.#learn(order, false);
      }
      cursor = page.pagination.nextCursor;
      if (!cursor) break;
    }
    // What was there before and is not in the list is over, unless it came while the list was read.
    for (const id of this.#orders.keys()) {
      if (!listed.has(id) && !this.#touched.has(id)) this.#drop(id);
    }
    this.#position = data.next;
  }

  async #readChanges() {
    const { signal } = this;
    const { fence } = live;
    for (let more = true; more;) {
      const { data } = await read(query("/api/orders/changes", { since: this.#position }), { fence, signal });
      for (const order of data.data) {
        if (order.cafeteriaId === this.#cafeteria) this.#learn(order, true);
      }
      this.#position = data.next;
      more = data.more;
    }
  }

  #fill(delay) {
    const spaced = this.#filled + SPACED_MS - performance.now();
    this.#timer ??= setTimeout(async () => {
      this.#timer = null;
      this.#filled = performance.now();
      await this.catchUp();
      if (this.all.some((order) => !order.items)) this.#fill(AGAIN_MS);
    }, Math.max(delay, spaced));
  }

  #learn(told, isNews) {
    const known = this.#orders.get(told.id);
    this.#touched.add(told.id);
    const version = known?.version ?? this.#closed.get(told.id) ?? 0;
    if (told.version < version || (told.version === version && (!known || known.items))) return;
    const order = { ...known, ...told };
    if (isOpen(order)) this.#orders.set(order.id, order);
    else this.#close(order);
    const detail = { order, before: known?.status ?? null, isNews };
    this.dispatchEvent(new CustomEvent("order", { detail }));
  }

  #close(order) {
    this.#orders.delete(order.id);
    this.#closed.set(order.id, order.version);
    if (this.#closed.size > MOST_CLOSED) this.#closed.delete(this.#closed.keys().next().value);
  }

  #drop(id) {
    this.#orders.delete(id);
    this.dispatchEvent(new CustomEvent("gone", { detail: id }));
  }
}
