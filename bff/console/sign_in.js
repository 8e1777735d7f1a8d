// The door: an address and a password.

import { entitle } from "./bell.js";
import { field, h } from "./dom.js";
import { explained } from "./messages.js";
import { session } from "./session.js";
import { t } from "./words.js";

// `why` it is shown again: what has become of the session before.
export function signIn(entered, why) {
  const email = h("input", { type: "email", name: "email", autocomplete: "username", required: true, maxlength: 254 });
  const password = h("input", { type: "password", name: "password", autocomplete: "current-password", required: true, maxlength: 256 });
  const trouble = h("p", { class: "trouble", role: "alert" }, why === "over" ? t("session.over") : "");
  const button = h("button", { class: "primary" }, t("sign-in"));
  const form = h("form", { class: "door", onsubmit: enter }, field(t("email"), email), field(t("password"), password), trouble, button);
  entitle(t("sign-in"));
  queueMicrotask(() => email.focus());
  return h("main", { id: "main" }, h("div", { class: "door-frame" }, h("h1", {}, "Comanda"), h("p", {}, t("sign-in.what")), form));

  async function enter(event) {
    event.preventDefault();
    if (button.disabled) return;
    trouble.textContent = "";
    button.disabled = true;
    try {
      if (await session.signIn(email.value, password.value)) entered();
      else trouble.textContent = t("sign-in.not-staff");
    } catch (problem) {
      trouble.textContent = problem.status === 401 ? t("sign-in.wrong") : explained(problem);
      password.select();
    } finally {
      button.disabled = false;
    }
  }
}
