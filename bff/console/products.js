// The menu of the counter: sold out by one tap, the rest in a dialog.

import { query, read, write } from "./api.js";
import { action, field, h, option } from "./dom.js";
import { save } from "./exports.js";
import { count, money } from "./format.js";
import { live } from "./live.js";
import { complain } from "./messages.js";
import { Pages } from "./pages.js";
import { editProduct } from "./product_dialog.js";
import { thumbnail } from "./pictures.js";
import { t } from "./words.js";
import { VirtualList } from "./virtual_list.js";

const FIELDS = "id,name,categoryId,price,stock,isAvailable,version,picture.url,picture.thumbhash,picture.color";
const ROW_PX = 64;
// Each order changes what is in stock: the list follows, but not at each.
const TOGETHER_MS = 3000;
const TYPED_MS = 300;

export function products({ cafeteria }) {
  const ended = new AbortController();
  const { signal } = ended;
  const categories = new Map();
  const category = h("select", { onchange: anew }, option("", t("any")));
  const available = h("select", { onchange: anew }, option("", t("any")), option("true", t("product.available")), option("false", t("product.sold-out")));
  const words = h("input", { type: "search", maxlength: 80, oninput: typed });
  const found = h("p", { class: "found", role: "status" });
  let isBehind = false;
  let waiting = null;
  let typing;

  const pages = new Pages(async (cursor, limit, stop) => {
    const asked = {
      cafeteriaId: cafeteria.id, categoryId: category.value, available: available.value,
      q: words.value.trim(), sort: "name", fields: FIELDS, limit, cursor,
    };
    return (await read(query("/api/products", asked), { fence: live.fence, signal: stop })).data;
  });
  const list = new VirtualList({
    pages,
    rowHeight: ROW_PX,
    label: t("products.title"),
    columns: [
      { words: t("product.picture"), width: "4.5rem", show: (cell, dish) => cell.replaceChildren(thumbnail(dish)) },
      { words: t("product.name"), width: "minmax(9rem, 3fr)", make: opener, show: showName },
      { words: t("product.category"), width: "minmax(6rem, 1fr)", show: (cell, dish) => { cell.textContent = categories.get(dish.categoryId) ?? ""; } },
      { words: t("product.price"), width: "6rem", show: (cell, dish) => { cell.textContent = money(dish.price); } },
      { words: t("product.stock"), width: "5rem", show: (cell, dish) => { cell.textContent = count(dish.stock); } },
      { words: t("product.offer"), width: "9rem", make: toggle, show: showToggle },
    ],
  });
  pages.addEventListener("change", () => {
    if (pages.total !== null) found.textContent = t("products.found", { count: count(pages.total) });
  });
  pages.addEventListener("problem", ({ detail }) => complain(detail));
  live.addEventListener("invalidated", changed, { signal });
  nameCategories();

  const screen = h("div", { class: "screen" },
    h("h1", { tabindex: "-1" }, t("products.title")),
    h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() },
      field(t("search"), words), field(t("product.category"), category), field(t("product.offer"), available),
      action(t("export"), {}, exportCsv)),
    found,
    list.element);

  function anew() {
    pages.restart();
    list.top();
  }

  function typed() {
    clearTimeout(typing);
    typing = setTimeout(anew, TYPED_MS);
  }

  // The first change is followed at once, and then what came in a while together.
  function changed() {
    isBehind = true;
    waiting ??= follow();
  }

  async function follow() {
    while (isBehind && !signal.aborted) {
      isBehind = false;
      await pages.refresh().catch((problem) => { if (!signal.aborted) complain(problem); });
      await new Promise((resolve) => setTimeout(resolve, TOGETHER_MS));
    }
    waiting = null;
  }

  async function nameCategories() {
    try {
      const { data } = (await read(query("/api/categories", { fields: "id,name" }), { signal })).data;
      for (const { id, name } of data) categories.set(id, name);
      category.append(...data.map(({ id, name }) => option(id, name)));
      pages.dispatchEvent(new Event("change"));
    } catch (problem) {
      if (!signal.aborted) complain(problem);
    }
  }

  async function exportCsv() {
    try {
      await save(query("/api/reports/products.csv", { cafeteriaId: cafeteria.id }), "comanda-productos.csv");
    } catch (problem) {
      complain(problem);
    }
  }

  function opener() {
    const button = h("button", { type: "button", class: "plain link" });
    button.addEventListener("click", async () => {
      const dish = await editProduct(Number(button.dataset.id), categories);
      if (dish) pages.change(dish.id, dish);
    });
    return button;
  }

  function toggle() {
    const button = action("", { role: "switch" }, async () => {
      const id = Number(button.dataset.id);
      const isAvailable = button.getAttribute("aria-checked") !== "true";
      try {
        // Whatever else has changed of it: each order makes another version of a dish.
        const { data } = await write("PATCH", `/api/products/${id}`, { isAvailable }, { ifMatch: "*" });
        pages.change(id, { isAvailable: data.isAvailable, stock: data.stock });
      } catch (problem) {
        complain(problem);
      }
    });
    return button;
  }

  return { element: screen, end() { ended.abort(); clearTimeout(typing); pages.end(); list.end(); } };
}

function showName(cell, dish) {
  const [button] = cell.children;
  button.textContent = dish.name;
  button.dataset.id = dish.id;
  button.setAttribute("aria-label", t("product.edit", { name: dish.name }));
}

function showToggle(cell, dish) {
  const [button] = cell.children;
  button.dataset.id = dish.id;
  button.setAttribute("aria-checked", dish.isAvailable);
  button.setAttribute("aria-label", t("product.offer.of", { name: dish.name }));
  button.textContent = t(dish.isAvailable ? "product.available" : "product.sold-out");
}
