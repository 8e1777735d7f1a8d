// A question before what cannot be taken back.

import { field, h } from "./dom.js";
import { t } from "./words.js";

const MOST_CHARACTERS = 200;

// Resolves to why it is wanted, in words of `usual` or of one's own; to "" where it is not. The
// browser gives focus back to whoever asked.
export function reasonFor(question, consequence, words, usual) {
  const input = h("input", { name: "reason", required: true, maxlength: MOST_CHARACTERS, autocomplete: "off", autofocus: true });
  const form = h("form", { onsubmit: answer },
    h("div", { class: "usual", role: "group", "aria-label": t("reason.usual") },
      usual.map((each) => h("button", { type: "button", onclick: () => { input.value = each; input.focus(); } }, each))),
    field(t("reason"), input),
    h("div", { class: "choices" },
      h("button", { type: "button", onclick: () => dialog.close() }, t("no")),
      h("button", { class: "danger" }, words)));
  const dialog = h("dialog", { class: "narrow", "aria-labelledby": "question" },
    h("h2", { id: "question" }, question), h("p", {}, consequence), form);
  return asked(dialog);

  function answer(event) {
    event.preventDefault();
    const reason = input.value.trim();
    if (reason) dialog.close(reason);
  }
}

// Show a dialog until it is closed; what it was closed with.
export function asked(dialog) {
  document.body.append(dialog);
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue); }, { once: true });
  });
}

// Nothing is asked any more: whoever was is gone.
export function dismiss() {
  for (const dialog of document.querySelectorAll("dialog")) dialog.close();
}
