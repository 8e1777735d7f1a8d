// How the service is: its parts, and for administrators what the cache does.

import { read } from "./api.js";
import { h } from "./dom.js";
import { bytes, clock, count, percent } from "./format.js";
import { unreachable } from "./http.js";
import { explained } from "./messages.js";
import { t } from "./words.js";

// What is looked at costs nothing (docs/edge.md), and is two seconds old at most.
const LOOK_MS = 5000;
const CACHE_EVERY = 3;

export function health({ isAdmin }) {
  const ended = new AbortController();
  const { signal } = ended;
  const parts = h("section", { class: "report", "aria-labelledby": "health-parts" });
  const cache = h("section", { class: "report", "aria-labelledby": "health-cache" });
  let looked = 0;
  look();

  const screen = h("div", { class: "screen" },
    h("h1", { tabindex: "-1" }, t("health.title")),
    h("div", { class: "reports" }, parts, isAdmin && cache));

  async function look() {
    if (!document.hidden) {
      await into(parts, "health-parts", t("health.parts"), ready);
      if (isAdmin && looked % CACHE_EVERY === 0) await into(cache, "health-cache", t("health.cache"), figures);
      looked += 1;
    }
    if (!signal.aborted) setTimeout(look, LOOK_MS);
  }

  async function into(place, id, words, draw) {
    const title = h("h2", { id }, words);
    try {
      place.replaceChildren(title, await draw(), h("p", { class: "as-of" }, t("as-of", { time: clock(Date.now()) })));
    } catch (problem) {
      if (!signal.aborted) place.replaceChildren(title, h("p", { class: "trouble" }, explained(problem)));
    }
  }

  async function ready() {
    // 503 says the same in the same words.
    const answer = await fetch("/ready", { signal, cache: "no-store" }).catch(() => { throw unreachable(); });
    const told = await answer.json();
    const rows = Object.entries(told.dependencies).map(([name, state]) =>
      h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, h("span", { class: "lamp", "data-state": state }, t(`health.${state}`)))));
    return h("table", {}, h("tbody", {}, rows));
  }

  async function figures() {
    const { data } = await read("/api/admin/cache", { signal });
    const shown = (value, form) => (value === null ? "–" : form(value));
    const facts = [
      [t("cache.hits"), shown(data.cache_hit_rate, percent)],
      [t("cache.misses"), shown(data.cache_miss_rate, percent)],
      [t("cache.size"), shown(data.avg_cached_size, (value) => t("cache.bytes", { bytes: count(Math.round(value)) }))],
      [t("cache.memory"), shown(data.redis_memory_usage, bytes)],
      [t("cache.evictions"), shown(data.cache_evictions, count)],
      [t("cache.invalidations"), count(data.cache_invalidations)],
    ];
    const heads = ["kind", "memoryHits", "redisHits", "loads", "stale"];
    return h("div", {},
      h("dl", { class: "facts" }, facts.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)])),
      h("div", { class: "wide-table", tabindex: "0", role: "region", "aria-label": t("cache.kind") }, h("table", {},
        h("thead", {}, h("tr", {}, heads.map((name) => h("th", { scope: "col" }, t(`cache.${name}`))))),
        h("tbody", {}, data.kinds.map((kind) => h("tr", {}, h("th", { scope: "row" }, kind.name),
          heads.slice(1).map((name) => h("td", { class: "amount" }, count(kind[name])))))))));
  }

  return { element: screen, end() { ended.abort(); } };
}
