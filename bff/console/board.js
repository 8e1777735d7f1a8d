// The live board: the orders under way in columns, each with one tap to its next state.

import { reasonFor } from "./confirm.js";
import { action, h } from "./dom.js";
import { clock, count, money } from "./format.js";
import { live } from "./live.js";
import { complain, warn } from "./messages.js";
import { showOrder } from "./order_dialog.js";
import { contents, named, next, OPEN, wayOut } from "./orders.js";
import { Today } from "./today.js";
import { t } from "./words.js";

const MINUTE_MS = 60_000;
const LATE_MINUTES = 15;
// What has just come in is marked for so long.
const FRESH_MS = 4000;

// Why orders come to nothing at a counter; docs/console.md.
const REASONS = ["sold-out", "busy", "closing", "asked", "not-fetched"];

// `orders` are those of the cafeteria that are under way, and outlive the board.
export function board({ cafeteria, orders }) {
  const today = new Today(cafeteria.id);
  const cards = new Map();
  const columns = new Map(OPEN.map((state) => [state, column(state)]));
  const figures = h("dl", { class: "figures" });
  const screen = h("div", { class: "board" },
    h("div", { class: "strip" }, h("h1", { tabindex: "-1" }, t("board.title")), figures),
    h("div", { class: "columns" }, [...columns.values()].map((each) => each.section)));
  const ended = new AbortController();
  const { signal } = ended;

  live.addEventListener("behind", () => today.load(), { signal });
  orders.addEventListener("order", ({ detail }) => { today.hear(detail.order); changed(detail); }, { signal });
  orders.addEventListener("gone", ({ detail }) => { remove(detail); tally(); }, { signal });
  today.addEventListener("change", showFigures, { signal });
  const ageing = setInterval(() => { for (const card of cards.values()) card.age(); }, MINUTE_MS / 2);
  showFigures();
  for (const order of orders.all) changed({ order, before: null, isNews: false });
  if (live.state === "live") today.load();

  function changed({ order, before, isNews }) {
    if (!columns.has(order.status)) {
      remove(order.id);
    } else {
      if (!cards.has(order.id)) cards.set(order.id, card(order));
      place(cards.get(order.id), order, before);
      if (isNews && order.status === "created" && before === null) arrived(cards.get(order.id));
    }
    tally();
  }

  // Among the others of its state by when it was placed: the oldest is next.
  function place(card, order, before) {
    const { list } = columns.get(order.status);
    const hadFocus = card.element.contains(document.activeElement);
    card.show(order);
    if (before !== order.status || card.element.parentElement !== list) {
      const later = [...list.children].find((each) => Number(each.dataset.placed) > card.placed);
      list.insertBefore(card.element, later ?? null);
      if (hadFocus) card.focus();
    }
  }

  function arrived(card) {
    card.element.classList.add("fresh");
    setTimeout(() => card.element.classList.remove("fresh"), FRESH_MS);
  }

  function remove(id) {
    const card = cards.get(id);
    if (!card) return;
    const list = card.element.parentElement;
    const hadFocus = card.element.contains(document.activeElement);
    cards.delete(id);
    card.element.remove();
    // Whoever goes by keyboard goes on with what took its place.
    if (hadFocus) (list?.querySelector("button") ?? screen.querySelector("h1")).focus();
  }

  function tally() {
    for (const { list, number } of columns.values()) number.textContent = count(list.children.length);
  }

  function showFigures() {
    const now = today.figures;
    figures.replaceChildren(...[
      [t("today.orders"), now && count(now.orders), "orders"],
      [t("today.revenue"), now && money(now.revenue), "revenue"],
      [t("today.undone"), now && count(now.undone), "undone"],
    ].map(([words, value, name]) => h("div", {}, h("dt", {}, words), h("dd", { "data-figure": name }, value ?? "…"))));
  }

  function column(state) {
    const number = h("span", { class: "number" }, "0");
    const list = h("ul", { "aria-label": t(`state.${state}`) });
    const heading = h("h2", {}, t(`state.${state}`), number);
    return { list, number, section: h("section", { class: `column ${state}`, "data-state": state }, heading, list) };
  }

  function card(first) {
    const placed = Date.parse(first.createdAt);
    const parts = {
      code: h("button", { type: "button", class: "code plain", onclick: () => showOrder(first.id) }),
      age: h("time", { datetime: first.createdAt, title: clock(first.createdAt) }),
      customer: h("p", { class: "customer" }),
      items: h("p", { class: "contents" }),
      total: h("span", { class: "total" }),
      onward: action("", { class: "primary" }, () => move(first.id, next(orders.get(first.id)))),
      out: action("", { class: "quiet" }, () => takeBack(first.id)),
    };
    const element = h("li", { class: "card", "data-order": first.id, "data-placed": placed },
      h("div", { class: "top" }, parts.code, parts.total, parts.age), parts.customer, parts.items,
      h("div", { class: "bottom" }, parts.out, parts.onward));
    const shown = {
      element,
      placed,
      focus: () => parts.onward.focus(),
      age() {
        const minutes = Math.max(0, Math.floor((Date.now() - placed) / MINUTE_MS));
        parts.age.textContent = t("age", { minutes });
        element.classList.toggle("late", minutes >= LATE_MINUTES);
      },
      show(order) {
        parts.code.textContent = named(order);
        parts.code.setAttribute("aria-label", t("order.open", { code: named(order) }));
        parts.customer.textContent = order.customer?.name ?? "";
        parts.items.textContent = contents(order);
        parts.total.textContent = money(order.totalAmount);
        label(parts.onward, next(order), order);
        label(parts.out, wayOut(order), order);
      },
    };
    shown.age();
    return shown;
  }

  function label(button, state, order) {
    button.hidden = !state;
    if (!state) return;
    button.textContent = t(`do.${state}`);
    button.setAttribute("aria-label", t("do.of", { what: t(`do.${state}`), code: named(order) }));
  }

  async function move(id, state, reason) {
    const before = orders.get(id);
    if (!before || !state) return;
    try {
      await orders.move(id, state, reason);
    } catch (problem) {
      const now = problem.present?.status;
      if (now) warn(t("order.quicker", { code: named(before), state: t(`state.${now}`) }));
      else complain(problem);
    }
  }

  async function takeBack(id) {
    const order = orders.get(id);
    const state = order && wayOut(order);
    if (!state) return;
    const about = { code: named(order), total: money(order.totalAmount) };
    const usual = REASONS.map((each) => t(`reason.${each}`));
    const reason = await reasonFor(t(`sure.${state}`, about), t("sure.money", about), t(`do.${state}`), usual);
    if (reason) await move(id, state, reason);
  }

  return {
    element: screen,
    end() {
      ended.abort();
      today.end();
      clearInterval(ageing);
    },
  };
}
