// What was sold when, what most, and how money came in.

import { query, read } from "./api.js";
import { columns, ranks } from "./charts.js";
import { action, field, h } from "./dom.js";
import { clock, count, day, money, percent } from "./format.js";
import { explained } from "./messages.js";
import { t } from "./words.js";

const PRODUCTS = 10;
const DAY_MS = 86_400_000;
const PAD = 2;
// The days that are shown at first, up to today.
const DAYS = 7;

export function reports({ cafeteria, isAdmin }) {
  const ended = new AbortController();
  const { signal } = ended;
  const today = day(Date.now());
  const first = day(Date.now() - (DAYS - 1) * DAY_MS);
  const from = h("input", { type: "date", value: first, max: today, onchange: show });
  const to = h("input", { type: "date", value: today, max: today, onchange: show });
  const sales = part();
  const best = part();
  const payments = part();
  show();

  const screen = h("div", { class: "screen" },
    h("h1", { tabindex: "-1" }, t("reports.title")),
    h("form", { class: "filters", onsubmit: (event) => event.preventDefault() },
      field(t("from"), from), field(t("to"), to), action(t("refresh"), {}, show)),
    h("div", { class: "reports" }, sales, best, payments));

  function part() {
    return h("section", { class: "report", "aria-busy": "true" });
  }

  // Each by itself: one that fails leaves the others.
  function show() {
    const span = { cafeteriaId: cafeteria.id, from: from.value, to: to.value };
    const days = Math.max(1, Math.round((Date.parse(today) - Date.parse(from.value)) / DAY_MS) + 1);
    return Promise.all([
      into(sales, query("/api/reports/sales", { ...span, by: "hour" }), hours),
      into(best, query("/api/reports/products", { cafeteriaId: cafeteria.id, days, limit: PRODUCTS }), dishes),
      // Cards are charged at no counter: only who runs the campus sees them.
      into(payments, query("/api/reports/payments", isAdmin ? { from: from.value, to: to.value } : span), takings),
    ]);
  }

  async function into(place, path, draw) {
    place.setAttribute("aria-busy", "true");
    try {
      const { data } = await read(path, { signal });
      const asOf = data.asOf && h("p", { class: "as-of" }, t("as-of", { time: clock(data.asOf) }));
      place.replaceChildren(...[draw(data)].flat(), asOf || "");
    } catch (problem) {
      if (!signal.aborted) place.replaceChildren(h("p", { class: "trouble" }, explained(problem)));
    } finally {
      place.removeAttribute("aria-busy");
    }
  }

  function hours({ data }) {
    const found = new Map(data.map((row) => [row.key, row]));
    const rows = Array.from({ length: 24 }, (_, hour) => {
      const { orders = 0, revenue = "0" } = found.get(hour) ?? {};
      return { name: String(hour).padStart(PAD, "0"), value: Number(revenue), shown: t("reports.hour", { orders: count(orders), revenue: money(revenue) }) };
    });
    return [h("h2", {}, t("reports.sales")), columns(t("reports.by-hour"), rows)];
  }

  function dishes({ data }) {
    const rows = data.map(({ name, portions, revenue }) => ({
      name, value: portions, shown: t("reports.portions", { portions: count(portions), revenue: money(revenue) }),
    }));
    return [h("h2", {}, t("reports.products")), ranks(t("reports.most"), rows)];
  }

  function takings({ cards, cash }) {
    const facts = cash.map((row) => [row.cafeteria ?? t("reports.campus"), t("reports.cash", { count: count(row.payments), amount: money(row.amount) })]);
    if (cards) {
      const rate = cards.successRate;
      facts.unshift(
        [t("reports.rate"), rate === null ? "–" : percent(rate)],
        [t("reports.cards"), t("reports.settled", { succeeded: count(cards.succeeded), declined: count(cards.declined), pending: count(cards.pending), amount: money(cards.amount) })]);
    }
    const list = h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
    const reasons = cards?.declineReasons.map(({ reason, payments: times }) => ({ name: t(`declined.${reason}`), value: times, shown: count(times) }));
    return [h("h2", {}, t("reports.payments")), list, reasons ? ranks(t("reports.declined"), reasons) : ""];
  }

  return { element: screen, end() { ended.abort(); } };
}
