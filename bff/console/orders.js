// What an order's state means at the counter: which come where, and what may become of them.

import { t } from "./words.js";

export const OPEN = ["created", "accepted", "preparing", "ready"];
// In which an order was not sold after all.
export const UNDONE = ["cancelled", "rejected"];
export const STATES = [...OPEN, "delivered", ...UNDONE];
// The way that most of them go, and the way out; docs/orders.md has the whole table.
const NEXT = { created: "accepted", accepted: "preparing", preparing: "ready", ready: "delivered" };
const OUT = { created: "rejected", accepted: "cancelled", preparing: "cancelled" };

export const next = (order) => NEXT[order.status] ?? null;
export const wayOut = (order) => OUT[order.status] ?? null;
export const isOpen = (order) => OPEN.includes(order.status);
export const isUndone = (order) => UNDONE.includes(order.status);
export const named = (order) => order.pickupCode ?? `#${order.id}`;

export function contents(order) {
  if (!order.items) return "…";
  return order.items.map((item) => `${item.quantity} × ${item.productName}`).join(", ");
}

export function told(order) {
  return t("order.told", { code: named(order), state: t(`state.${order.status}`) });
}
