// All orders of the counter, the newest first.

import { download, query, read } from "./api.js";
import { action, field, h, option } from "./dom.js";
import { beginning, count, day, following, moment, money } from "./format.js";
import { live } from "./live.js";
import { announce, complain, note } from "./messages.js";
import { showOrder } from "./order_dialog.js";
import { STATES } from "./orders.js";
import { Pages } from "./pages.js";
import { t } from "./words.js";
import { VirtualList } from "./virtual_list.js";

const FIELDS = "id,status,totalAmount,pickupCode,createdAt,customer.name";
const ROW_PX = 44;
// More than so many are not counted.
const MOST_COUNTED = 10_000;
const MOST_DAYS = 31;

export function orderList({ cafeteria }) {
  const ended = new AbortController();
  const { signal } = ended;
  const status = h("select", { onchange: anew }, option("", t("any")), STATES.map((each) => option(each, t(`state.${each}`))));
  const from = h("input", { type: "date", onchange: anew });
  const to = h("input", { type: "date", onchange: anew });
  const number = h("input", { type: "search", inputmode: "numeric", pattern: "[0-9]*", maxlength: 16 });
  const found = h("p", { class: "found" });
  const arrived = action("", { class: "primary", hidden: true }, anew);
  let news = 0;

  const pages = new Pages(async (cursor, limit, stop) => {
    const asked = { ...wanted(), cafeteriaId: cafeteria.id, fields: FIELDS, limit, cursor };
    return (await read(query("/api/orders", asked), { fence: live.fence, signal: stop, told: patience })).data;
  });
  const list = new VirtualList({
    pages,
    rowHeight: ROW_PX,
    label: t("orders.title"),
    columns: [
      { words: t("order.number"), width: "5rem", make: opener, show: showNumber },
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
      field(t("order.number"), number), h("button", {}, t("search")),
      action(t("export"), {}, exportCsv)),
    h("div", { class: "strip" }, found, arrived),
    list.element);

  function wanted() {
    return {
      status: status.value,
      createdFrom: from.value && beginning(from.value).toISOString(),
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
  function hear({ orderId, cafeteriaId, status: state, pickupCode }) {
    if (cafeteriaId !== cafeteria.id) return;
    const isHere = pages.change(orderId, { status: state, pickupCode });
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
    const asked = { cafeteriaId: cafeteria.id, from: from.value || today, to: to.value || today };
    try {
      const answer = await download(query("/api/reports/orders.csv", asked));
      const address = URL.createObjectURL(await answer.blob());
      h("a", { href: address, download: `comanda-${asked.from}-${asked.to}.csv` }).click();
      URL.revokeObjectURL(address);
    } catch (problem) {
      if (problem.status === 422) note(t("export.days", { days: MOST_DAYS }));
      else complain(problem);
    }
  }

  return { element: screen, end() { ended.abort(); pages.end(); list.end(); } };
}

function text(of) {
  return (cell, row) => { cell.textContent = of(row); };
}

function opener() {
  const button = h("button", { type: "button", class: "plain link" });
  button.addEventListener("click", () => showOrder(button.dataset.id));
  return button;
}

function showNumber(cell, order) {
  const [button] = cell.children;
  button.textContent = order.id;
  button.dataset.id = order.id;
}

function showState(cell, order) {
  cell.textContent = t(`state.${order.status}`);
  cell.dataset.state = order.status;
}
