// What is under way at the counter, whichever screen is looked at: known, rung for, and counted in
// the title.

import { badge, ring } from "./bell.js";
import { live } from "./live.js";
import { announce, note } from "./messages.js";
import { OpenOrders } from "./open_orders.js";
import { isUndone, named, told } from "./orders.js";
import { money } from "./format.js";
import { t } from "./words.js";

// The counter's orders, until they are ended.
export function attended(cafeteriaId) {
  const orders = new OpenOrders(cafeteriaId);
  const { signal } = orders;
  live.addEventListener("news", ({ detail }) => orders.hear(detail), { signal });
  live.addEventListener("behind", () => orders.catchUp(), { signal });
  orders.addEventListener("order", ({ detail }) => { tell(detail); tally(); }, { signal });
  orders.addEventListener("gone", tally, { signal });
  signal.addEventListener("abort", () => badge(0));
  if (live.state === "live") orders.catchUp();
  return orders;

  function tell({ order, before, isNews }) {
    if (before === order.status) return;
    if (isNews) announce(told(order));
    if (isNews && before === null && order.status === "created") ring();
    // Whoever prepares it has to see that nobody wants it any more.
    if (before !== null && isUndone(order)) {
      const about = { code: named(order), state: t(`state.${order.status}`), total: money(order.totalAmount) };
      note(order.reason ? t("order.undone.why", { ...about, reason: order.reason }) : t("order.undone", about));
    }
  }

  function tally() {
    badge(orders.all.filter(({ status }) => status === "created").length);
  }
}
