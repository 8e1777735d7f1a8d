// What was paid for the counter's orders, and given back, the newest first.

import { query, read } from "./api.js";
import { opener, opening, text } from "./cells.js";
import { action, field, h, option } from "./dom.js";
import { beginning, count, following, moment, money } from "./format.js";
import { complain } from "./messages.js";
import { Pages } from "./pages.js";
import { t } from "./words.js";
import { VirtualList } from "./virtual_list.js";

const FIELDS = "id,kind,amount,orderId,customerName,createdAt";
const ROW_PX = 44;
// More than so many are not counted.
const MOST_COUNTED = 10_000;
const KINDS = ["payment", "refund"];

export function transactions({ cafeteria, isAdmin }) {
  // Top-ups are of no counter: only who runs the campus sees them.
  const place = h("select", { onchange: placed }, option("here", cafeteria.name), option("all", t("transactions.all")));
  const kind = h("select", { onchange: anew }, kinds());
  const from = h("input", { type: "date", onchange: anew });
  const to = h("input", { type: "date", onchange: anew });
  const order = h("input", { type: "search", inputmode: "numeric", pattern: "[0-9]*", maxlength: 16 });
  const found = h("p", { class: "found", role: "status" });

  const pages = new Pages(async (cursor, limit, signal) =>
    (await read(query("/api/reports/transactions", { ...wanted(), fields: FIELDS, limit, cursor }), { signal })).data);
  const list = new VirtualList({
    pages,
    rowHeight: ROW_PX,
    label: t("transactions.title"),
    columns: [
      { words: t("order.number"), width: "5rem", show: text((line) => line.id) },
      { words: t("transactions.kind"), width: "minmax(6.5rem, 1fr)", show: text((line) => t(`kind.${line.kind}`)) },
      { words: t("transactions.amount"), width: "7rem", show: text((line) => money(line.amount)) },
      { words: t("transactions.order"), width: "5rem", make: opener, show: opening((line) => line.orderId) },
      { words: t("order.customer"), width: "minmax(7rem, 2fr)", show: text((line) => line.customerName) },
      { words: t("transactions.at"), width: "11rem", show: text((line) => moment(line.createdAt)) },
    ],
  });
  pages.addEventListener("change", tell);
  pages.addEventListener("problem", ({ detail }) => complain(detail));

  const screen = h("div", { class: "screen" },
    h("h1", { tabindex: "-1" }, t("transactions.title")),
    h("form", { class: "filters", role: "search", onsubmit: (event) => { event.preventDefault(); anew(); } },
      isAdmin && field(t("transactions.of"), place), field(t("transactions.kind"), kind),
      field(t("from"), from), field(t("to"), to), field(t("transactions.order"), order),
      h("button", {}, t("search")), action(t("refresh"), {}, anew)),
    found,
    list.element);

  function kinds() {
    const known = place.value === "all" ? ["top_up", ...KINDS] : KINDS;
    return [option("", t("any")), ...known.map((each) => option(each, t(`kind.${each}`)))];
  }

  function placed() {
    kind.replaceChildren(...kinds());
    anew();
  }

  function wanted() {
    return {
      cafeteriaId: place.value === "here" ? cafeteria.id : null,
      kind: kind.value,
      orderId: /^[0-9]+$/.test(order.value) ? order.value : null,
      createdFrom: from.value && beginning(from.value).toISOString(),
      createdTo: to.value && beginning(following(to.value)).toISOString(),
    };
  }

  function anew() {
    pages.restart();
    list.top();
  }

  function tell() {
    const { total } = pages;
    if (total === null) return;
    const counted = total > MOST_COUNTED ? t("more", { count: count(MOST_COUNTED) }) : count(total);
    found.textContent = t("transactions.found", { count: counted });
  }

  return { element: screen, end() { pages.end(); list.end(); } };
}
