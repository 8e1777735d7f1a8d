// What the page tells people: in words that stay until they are read, and to those who listen.

import { action, h } from "./dom.js";
import { isKnown, t } from "./words.js";

const SHOWN_MS = 8000;
const MOST = 4;

const notes = h("div", { class: "notes", role: "status" });
const alerts = h("div", { class: "notes", role: "alert" });
const heard = h("p", { class: "unseen", "aria-live": "polite" });
export const messages = h("aside", { class: "messages", "aria-label": t("messages") }, alerts, notes, heard);

export function note(words) {
  const shown = put(notes, words);
  setTimeout(() => shown.remove(), SHOWN_MS);
}

export function warn(words) {
  put(alerts, words, "bad");
}

// For who does not see what has moved.
export function announce(words) {
  heard.textContent = words;
}

// Whoever it was told to is gone.
export function forget() {
  for (const place of [notes, alerts, heard]) place.replaceChildren();
}

// A problem in the words of this page, else in the server's.
export function explained(problem) {
  const key = `problem.${problem.kind}`;
  const words = isKnown(key) ? t(key, { seconds: problem.retryAfter ?? "" }) : problem.message;
  return problem.status >= 500 && problem.instance ? `${words} (${problem.instance})` : words;
}

export function complain(problem) {
  if (problem.name === "AbortError" || problem.status === 401) return;
  warn(explained(problem));
}

function put(place, words, kind = "") {
  const shown = h("p", { class: `message ${kind}` }, h("span", {}, words));
  shown.append(action("×", { class: "plain", "aria-label": t("close") }, () => shown.remove()));
  place.append(shown);
  while (place.children.length > MOST) place.firstChild.remove();
  return shown;
}
