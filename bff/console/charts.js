// Bars, drawn by hand: they need no library, and what they show is in a table for who cannot see it.

import { h, svg } from "./dom.js";
import { t } from "./words.js";

const WIDTH = 480;
const HEIGHT = 190;
const FOOT = 24;
const GAP = 0.2;
const LABELS_EVERY = 3;
const LINE = 26;

// Upright, one a step: `rows` of { name, value, shown }.
export function columns(title, rows) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  const step = WIDTH / rows.length;
  const bars = rows.flatMap(({ name, value, shown }, at) => {
    const height = ((HEIGHT - FOOT) * value) / most;
    const place = { x: at * step + (step * GAP) / 2, y: HEIGHT - FOOT - height, width: step * (1 - GAP), height };
    const bar = svg("rect", { class: "bar", ...place }, svg("title", {}, `${name}: ${shown}`));
    if (at % LABELS_EVERY) return [bar];
    return [bar, svg("text", { x: (at + 0.5) * step, y: HEIGHT - 6, "text-anchor": "middle" }, name)];
  });
  return figure(title, rows, svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", "aria-hidden": "true" }, bars));
}

// Lying, the longest first.
export function ranks(title, rows) {
  const most = Math.max(1, ...rows.map(({ value }) => value));
  const bars = rows.flatMap(({ name, value, shown }, at) => [
    svg("rect", { class: "bar", x: 0, y: at * LINE + 2, width: (WIDTH * value) / most, height: LINE - 6 }),
    svg("text", { x: 8, y: at * LINE + 18, class: "on" }, `${name} · ${shown}`),
  ]);
  return figure(title, rows, svg("svg", { viewBox: `0 0 ${WIDTH} ${rows.length * LINE}`, class: "chart", "aria-hidden": "true" }, bars));
}

function figure(title, rows, drawing) {
  if (!rows.length) return h("figure", {}, h("figcaption", {}, title), h("p", {}, t("chart.empty")));
  const table = h("table", {}, h("tbody", {}, rows.map(({ name, shown }) =>
    h("tr", {}, h("th", { scope: "row" }, name), h("td", { class: "amount" }, shown)))));
  return h("figure", {}, h("figcaption", {}, title), drawing,
    h("details", {}, h("summary", {}, t("chart.table")), table));
}
