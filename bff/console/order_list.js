// All orders of the counter, the newest first.

import { query, read } from "./api.js";
import { opener, opening, text } from "./cells.js";
import { action, field, h, option } from "./dom.js";
import { save } from "./exports.js";
import { beginning, count, day, following, moment, money } from "./format.js";
import { live } from "./live.js";
import { announce, complain, note } from "./messages.js";
import { showOrder } from "./order_dialog.js";
import { STATES } from "./orders.js";
import { Pages } from "./pages.js";
import { t } from "./words.js";
import { VirtualList } from "./virtual_list.js";

const FIELDS = "id,status,reason,totalAmount,pickupCode,createdAt,customer.name";
const ROW_PX = 44;
// More than so many are not counted.
const MOST_COUNTED = 10_000;
const MOST_DAYS = 31;
const TYPED_MS = 300;
const DAY_MS = 86_400_000;
const DAYS_OF_A_CODE = 7;
// No name is made of these (docs/orders.md).
const CODE = /^[cdfghjkmnpqrtvwxy34679]{3,5}$/i;

export function orderList({ cafeteria }) {
  const ended = new AbortController();
  const { signal } = ended;
  const status = h("select", { onchange: anew }, option("", t("any")), STATES.map((each) => option(each, t(`state.${each}`))));
  const from = h("input", { type: "date", onchange: anew });
  const to = h("input", { type: "date", onchange: anew });
  const number = h("input", { type: "search", inputmode: "numeric", pattern: "[0-9]*", maxlength: 16 });
  const who = h("input", { type: "search", maxlength: 80, oninput: typed });
  const found = h("p", { class: "found" });
  const arrived = action("", { class: "primary", hidden: true }, anew);
  let news = 0;
  let typing;

  const pages = new Pages(async (cursor, limit, stop) => {
    const asked = { ...wanted(), cafeteriaId: cafeteria.id, fields: FIELDS, limit, cursor };
    return (await read(query("/api/orders", asked), { fence: live.fence, signal: stop, told: patience })).data;
  });
  const list = new VirtualList({
    pages,
    rowHeight: ROW_PX,
    label: t("orders.title"),
    columns: [
      { words: t("order.number"), width: "5rem", make: opener, show: opening((order) => order.id) },
      { words: t("order.code"), width: "4.5rem", show: text((order) => order.pickupCode ?? "–") },
      { words: t("order.state"), width: "minmax(8.5rem, 1fr)", show: showState },
      { words: t("order.customer"), width: "minmax(8rem, 2fr)", show: text((order) => order.customer?.name ?? "–") },
      { words: t("order.placed"), width: "11rem", show: text((order) => moment(order.createdAt)) },
      { words: t("order.total"), width: "6rem", show: text((order) => money(order.totalAmount)) },
    ],
  });
  pages.addEventListener("change", tell);
  pages.addEventListener("problem", ({ detail }) => complain(detail));
  live.addEventListener("news", ({ detail }) => hear(detail), { signal });

  const screen = h("div", { class: "screen" },
    h("h1", { tabindex: "-1" }, t("orders.title")),
    h("form", { class: "filters", role: "search", onsubmit: look },
      field(t("order.state"), status), field(t("from"), from), field(t("to"), to),
      field(t("orders.who", { days: DAYS_OF_A_CODE }), who), field(t("order.number"), number), h("button", {}, t("search")),
      action(t("export"), {}, exportCsv)),
    h("div", { class: "strip" }, found, arrived),
    list.element);

  function typed() {
    clearTimeout(typing);
    typing = setTimeout(anew, TYPED_MS);
  }

  function wanted() {
    const sought = who.value.trim();
    const isCode = CODE.test(sought);
    // A code is given out again and again: who looks for one means an order of these days.
    const first = from.value || (isCode ? day(Date.now() - DAYS_OF_A_CODE * DAY_MS) : "");
    return {
      status: status.value,
      [isCode ? "pickupCode" : "customer"]: sought,
      createdFrom: first && beginning(first).toISOString(),
      createdTo: to.value && beginning(following(to.value)).toISOString(),
    };
  }

  function anew() {
    news = 0;
    arrived.hidden = true;
    pages.restart();
    list.top();
  }

  function tell() {
    const { total } = pages;
    const counted = total > MOST_COUNTED ? t("more", { count: count(MOST_COUNTED) }) : total !== null && count(total);
    found.textContent = counted === false ? "…" : t("orders.found", { count: counted, seen: count(pages.count) });
    if (pages.isFull) found.textContent = t("list.full", { seen: count(pages.count) });
  }

  // A row that is shown changes where it is; what is new waits until it is wanted, for nothing is to
  // jump under a finger.
  function hear({ orderId, cafeteriaId, status: state, pickupCode, reason }) {
    if (cafeteriaId !== cafeteria.id) return;
    const isHere = pages.change(orderId, { status: state, pickupCode, reason });
    if (isHere || state !== "created") return;
    news += 1;
    arrived.hidden = false;
    arrived.textContent = t("orders.arrived", { count: count(news) });
  }

  function patience(_, seconds) {
    announce(t("problem.too-many-requests", { seconds }));
  }

  async function look(event) {
    event.preventDefault();
    if (!/^[0-9]+$/.test(number.value)) return;
    if (!(await showOrder(number.value))) note(t("orders.none", { number: number.value }));
  }

  async function exportCsv() {
    const today = day(Date.now());
    const [first, last] = [from.value || to.value || today, to.value || today];
    const asked = { cafeteriaId: cafeteria.id, from: first, to: last, status: status.value };
    try {
      await save(query("/api/reports/orders.csv", asked), `comanda-${first}-${last}.csv`);
    } catch (problem) {
      if (problem.status === 422) note(t("export.days", { days: MOST_DAYS }));
      else complain(problem);
    }
  }

  return { element: screen, end() { ended.abort(); clearTimeout(typing); pages.end(); list.end(); } };
}

function showState(cell, order) {
  const state = t(`state.${order.status}`);
  cell.textContent = order.reason ? `${state}: ${order.reason}` : state;
  cell.dataset.state = order.status;
}
