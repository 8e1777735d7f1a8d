// A question before what cannot be taken back.

import { h } from "./dom.js";
import { t } from "./words.js";

// Resolves to whether it is wanted; the browser gives focus back to whoever asked.
export function confirmed(question, consequence, words) {
  const title = h("h2", { id: "question" }, question);
  const dialog = h("dialog", { class: "narrow", "aria-labelledby": "question" }, title, h("p", {}, consequence),
    h("div", { class: "choices" },
      h("button", { type: "button", autofocus: true, onclick: () => dialog.close() }, t("no")),
      h("button", { type: "button", class: "danger", onclick: () => dialog.close("yes") }, words)));
  return asked(dialog).then((answer) => answer === "yes");
}

// Show a dialog until it is closed; what it was closed with.
export function asked(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); }, { once: true });
  });
}
