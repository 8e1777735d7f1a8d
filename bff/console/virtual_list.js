// A table of any length in a few rows of elements, which are moved to where somebody looks.

import { h } from "./dom.js";

const OVERSCAN = 6;
const BEYOND = 1;

export class VirtualList {
  #pages;
  #height;
  #columns;
  #rows = [];
  #frame = null;
  #body;
  #space;
  #table;
  #watch;

  // A column has `words`, `width` (of a grid) and `show(cell, row)`, which fills a cell that may
  // have shown another row before; `make()` is its cell, if not an empty one.
  constructor({ pages, columns, rowHeight, label }) {
    this.#pages = pages;
    this.#columns = columns;
    this.#height = rowHeight;
    const heads = columns.map(({ words }) => h("span", { role: "columnheader" }, words));
    this.#space = h("div", { class: "space", role: "presentation" });
    this.#body = h("div", { class: "scroll", tabindex: "0", role: "rowgroup", "aria-label": label, onscroll: () => this.#soon() }, this.#space);
    this.#table = h("div", { class: "list", role: "table", "aria-label": label, "aria-colcount": columns.length },
      h("div", { role: "rowgroup" }, h("div", { class: "row head", role: "row", "aria-rowindex": "1" }, heads)), this.#body);
    this.element = this.#table;
    this.element.style.setProperty("--columns", columns.map(({ width }) => width).join(" "));
    this.element.style.setProperty("--row", `${rowHeight}px`);
    pages.addEventListener("change", () => this.#soon());
    this.#watch = new ResizeObserver(() => this.#soon());
    this.#watch.observe(this.#body);
  }

  // The row that is seen first.
  get first() {
    return Math.floor(this.#body.scrollTop / this.#height);
  }

  top() {
    this.#body.scrollTop = 0;
    this.#soon();
  }

  end() {
    this.#watch.disconnect();
    cancelAnimationFrame(this.#frame);
  }

  // Once a frame, whatever has happened.
  #soon() {
    this.#frame ??= requestAnimationFrame(() => { this.#frame = null; this.#draw(); });
  }

  #draw() {
    const { count, isWhole } = this.#pages;
    const length = count + (isWhole ? 0 : BEYOND);
    const seen = Math.ceil(this.#body.clientHeight / this.#height);
    const from = Math.max(0, this.first - OVERSCAN);
    const to = Math.min(length, this.first + seen + OVERSCAN);
    this.#space.style.height = `${length * this.#height}px`;
    this.#table.setAttribute("aria-rowcount", isWhole ? count + 1 : -1);
    this.#grow(seen + 2 * OVERSCAN);
    const free = this.#rows.filter(({ index }) => index === null || index < from || index >= to);
    const there = new Set(this.#rows.map(({ index }) => index));
    for (let index = from; index < to; index++) if (!there.has(index)) this.#put(free.pop(), index);
    for (const row of free) this.#hide(row);
    for (const row of this.#rows) if (row.index !== null) this.#show(row);
    if (to > from) this.#pages.want(from, to - 1);
    else this.#pages.want(0, 0);
  }

  #grow(size) {
    while (this.#rows.length < size) {
      const cells = this.#columns.map((column) => {
        const cell = h("span", { role: "cell" });
        if (column.make) cell.append(column.make());
        return cell;
      });
      const element = h("div", { class: "row", role: "row", hidden: true }, cells);
      this.#space.append(element);
      this.#rows.push({ element, cells, index: null, shown: null });
    }
  }

  #put(row, index) {
    this.#keepFocus(row);
    row.index = index;
    row.shown = null;
    row.element.hidden = false;
    row.element.setAttribute("aria-rowindex", index + 2);
    row.element.style.transform = `translateY(${index * this.#height}px)`;
  }

  #hide(row) {
    if (row.index === null) return;
    this.#keepFocus(row);
    row.index = null;
    row.element.hidden = true;
  }

  // Focus would go on to another row, or be lost.
  #keepFocus({ element }) {
    if (element.contains(document.activeElement)) this.#body.focus({ preventScroll: true });
  }

  #show(row) {
    const data = this.#pages.row(row.index) ?? null;
    if (data !== null && row.shown === data) return;
    row.shown = data;
    row.element.classList.toggle("odd", row.index % 2 === 1);
    row.element.setAttribute("aria-busy", data === null);
    if (data !== null) this.#columns.forEach((column, at) => column.show(row.cells[at], data));
  }
}
