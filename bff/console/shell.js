// What is around every screen: where one is, whose counter it is, and how the connection is.

import { entitle, show } from "./bell.js";
import { board } from "./board.js";
import { attended } from "./counter.js";
import { action, h, option } from "./dom.js";
import { clock } from "./format.js";
import { health } from "./health.js";
import { live } from "./live.js";
import { messages } from "./messages.js";
import { orderList } from "./order_list.js";
import { preferences } from "./preferences.js";
import { products } from "./products.js";
import { reports } from "./reports.js";
import { session } from "./session.js";
import { transactions } from "./transactions.js";
import { language, LANGUAGES, t } from "./words.js";

const SCREENS = { board, orders: orderList, transactions, products, reports, health };
const THEMES = ["auto", "light", "dark"];

// `cafeterias` are those that this person may choose among.
export function shell(cafeterias, chosen, changeCafeteria) {
  const ended = new AbortController();
  const { signal } = ended;
  const main = h("main", { id: "main", tabindex: "-1" });
  const links = Object.keys(SCREENS).map((name) => h("a", { href: `#/${name}` }, t(`${name}.title`)));
  const connection = h("p", { class: "connection", role: "status" });
  const state = { cafeteria: chosen, isAdmin: session.isAdmin, orders: attended(chosen.id) };
  let screen = null;

  addEventListener("hashchange", () => go(true), { signal });
  live.addEventListener("state", showConnection, { signal });
  addEventListener("offline", showConnection, { signal });
  addEventListener("online", showConnection, { signal });
  showConnection();

  const element = h("div", { class: "shell" },
    h("a", { href: "#main", class: "skip", onclick: skip }, t("skip")),
    h("header", {},
      h("p", { class: "brand" }, "Comanda"),
      h("nav", { "aria-label": t("screens") }, links),
      h("div", { class: "tools" }, connection, counter(),
        menu())),
    main, messages);
  go(false);

  function go(isMove) {
    const name = location.hash.slice(2);
    const asked = Object.hasOwn(SCREENS, name) ? name : "board";
    screen?.end();
    screen = SCREENS[asked](state);
    main.replaceChildren(screen.element);
    main.dataset.screen = asked;
    for (const link of links) {
      if (link.hash === `#/${asked}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    entitle(t(`${asked}.title`));
    // Whoever listens hears where they are.
    if (isMove) screen.element.querySelector("h1").focus();
  }

  function skip(event) {
    // The address says which screen it is.
    event.preventDefault();
    main.focus();
  }

  function showConnection() {
    const how = navigator.onLine ? live.state : "lost";
    connection.dataset.state = how;
    connection.textContent = t(`connection.${how}`, { time: clock(Date.now()) });
  }

  function counter() {
    if (cafeterias.length < 2) return h("span", { class: "who" }, state.cafeteria.name);
    const select = h("select", { "aria-label": t("cafeteria"), onchange: () => {
      state.cafeteria = cafeterias.find(({ id }) => id === Number(select.value));
      state.orders.end();
      state.orders = attended(state.cafeteria.id);
      changeCafeteria(state.cafeteria);
      go(false);
    } }, cafeterias.map(({ id, name }) => option(id, name, id === state.cafeteria.id)));
    return select;
  }

  // Shut by Escape, and when somebody goes on elsewhere.
  function menu() {
    const summary = h("summary", {}, session.user.name);
    const details = h("details", { class: "menu",
      onfocusout: ({ relatedTarget }) => {
        if (relatedTarget && !details.contains(relatedTarget)) details.open = false;
      },
      onkeydown: ({ key }) => {
        if (key !== "Escape" || !details.open) return;
        details.open = false;
        summary.focus();
      } }, summary,
      h("div", {}, toggle("sound"), toggle("badge"), theme(), tongue(), action(t("sign-out"), {}, () => session.signOut())));
    return details;
  }

  function toggle(name) {
    const button = h("button", { type: "button", role: "switch", "aria-checked": preferences.get(name), onclick: () => {
      preferences.set(name, !preferences.get(name));
      button.setAttribute("aria-checked", preferences.get(name));
      show();
    } }, t(name));
    return button;
  }

  function theme() {
    const select = h("select", { "aria-label": t("theme"), onchange: () => preferences.set("theme", select.value) },
      THEMES.map((name) => option(name, t(`theme.${name}`), name === preferences.get("theme"))));
    return select;
  }

  function tongue() {
    const select = h("select", { "aria-label": t("language"), onchange: () => {
      preferences.set("language", select.value);
      // Every word of the page is another.
      location.reload();
    } }, Object.entries(LANGUAGES).map(([code, name]) => option(code, name, code === language)));
    return select;
  }

  return { element, end() { ended.abort(); screen.end(); state.orders.end(); } };
}
