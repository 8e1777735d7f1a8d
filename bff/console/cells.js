// Cells of a list: words, and a button that opens an order.

import { h } from "./dom.js";
import { showOrder } from "./order_dialog.js";

export function text(of) {
  return (cell, row) => { cell.textContent = of(row); };
}

export function opener() {
  const button = h("button", { type: "button", class: "plain link" });
  button.addEventListener("click", () => showOrder(button.dataset.id));
  return button;
}

// `of` is the order's number, null where there is none.
export function opening(of) {
  return ({ children: [button] }, row) => {
    const id = of(row);
    button.hidden = id === null;
    button.textContent = id ?? "";
    button.dataset.id = id;
  };
}
