// One order, whole.

import { query, read } from "./api.js";
import { asked } from "./confirm.js";
import { h } from "./dom.js";
import { moment, money } from "./format.js";
import { complain } from "./messages.js";
import { named } from "./orders.js";
import { t } from "./words.js";

const FIELDS = "id,status,totalAmount,version,pickupCode,createdAt,updatedAt,reason,items.quantity,items.productName,items.unitPrice,customer.name";

// Resolves to whether there is such an order here.
export async function showOrder(id) {
  let order;
  try {
    order = (await read(query(`/api/orders/${id}`, { fields: FIELDS }))).data;
  } catch (problem) {
    if (problem.status === 404) return false;
    complain(problem);
    return true;
  }
  const facts = [
    [t("order.state"), t(`state.${order.status}`)],
    [t("order.customer"), order.customer?.name ?? "–"],
    [t("order.placed"), moment(order.createdAt)],
    [t("order.changed"), moment(order.updatedAt)],
    ...(order.reason ? [[t("reason"), order.reason]] : []),
  ];
  const line = (item) => h("tr", {}, h("td", {}, item.quantity), h("td", {}, item.productName), h("td", { class: "amount" }, money(item.unitPrice)));
  const dialog = h("dialog", { "aria-labelledby": "order-title" },
    h("h2", { id: "order-title" }, t("order.title", { id: order.id, code: named(order) })),
    h("dl", { class: "facts" }, facts.map(([words, value]) => [h("dt", {}, words), h("dd", {}, value)])),
    h("table", {},
      h("thead", {}, h("tr", {}, [t("item.quantity"), t("item.product"), t("item.price")].map((words) => h("th", { scope: "col" }, words)))),
      h("tbody", {}, order.items.map(line)),
      h("tfoot", {}, h("tr", {}, h("th", { scope: "row", colspan: 2 }, t("order.total")), h("td", { class: "amount" }, money(order.totalAmount))))),
    h("div", { class: "choices" }, h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, t("close"))));
  await asked(dialog);
  return true;
}
