// Money, moments and numbers as people write them here.

import { language } from "./words.js";

const LOCALES = { es: "es-ES", en: "en-IE" };
const locale = LOCALES[language];
// Of all prices of the API.
const CURRENCY = "EUR";
const formats = new Map();
let zone;

// The clock on the wall of the counter, wherever the tablet thinks that it is.
export function tellTimeOf(timeZone) {
  zone = timeZone;
  formats.clear();
}

export function money(decimal) {
  return number("money", { style: "currency", currency: CURRENCY }).format(Number(decimal));
}

export function count(value) {
  return number("count", {}).format(value);
}

export function percent(share) {
  return number("percent", { style: "percent", maximumFractionDigits: 1 }).format(share);
}

export function bytes(value) {
  const options = { style: "unit", unit: "megabyte", maximumFractionDigits: 1 };
  return number("bytes", options).format(value / 1e6);
}

export function clock(moment) {
  return time("clock", { hour: "2-digit", minute: "2-digit" }).format(new Date(moment));
}

export function moment(value) {
  return time("moment", { dateStyle: "short", timeStyle: "medium" }).format(new Date(value));
}

// A day like 2026-11-24, by the counter's clock.
export function day(value) {
  const parts = { year: "numeric", month: "2-digit", day: "2-digit", timeZone: zone };
  return new Intl.DateTimeFormat("en-CA", parts).format(value);
}

// "12.50" in cents: sums are made of whole numbers.
export function minor(decimal) {
  const [whole, part = ""] = decimal.split(".");
  return Number(whole) * 100 + Number(part.padEnd(2, "0"));
}

export function decimal(minorUnits) {
  return (minorUnits / 100).toFixed(2);
}

// The instant at which a day of the counter's begins.
export function beginning(text) {
  const guess = new Date(`${text}T00:00:00Z`);
  return new Date(guess.getTime() - offset(new Date(guess.getTime() - offset(guess))));
}

export function following(text) {
  const next = new Date(`${text}T00:00:00Z`);
  next.setUTCDate(next.getUTCDate() + 1);
  return next.toISOString().slice(0, 10);
}

// How far the counter's clock is ahead of UTC at an instant, in milliseconds.
function offset(instant) {
  const parts = {
    year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric",
    second: "numeric", hourCycle: "h23", timeZone: zone,
  };
  const told = {};
  for (const { type, value } of new Intl.DateTimeFormat("en", parts).formatToParts(instant)) {
    told[type] = Number(value);
  }
  const there = Date.UTC(told.year, told.month - 1, told.day, told.hour, told.minute, told.second);
  return there - Math.floor(instant.getTime() / 1000) * 1000;
}

function number(name, options) {
  return kept(name, () => new Intl.NumberFormat(locale, options));
}

function time(name, options) {
  return kept(name, () => new Intl.DateTimeFormat(locale, { ...options, timeZone: zone }));
}

// To make one takes longer than to format a thousand rows by it.
function kept(name, make) {
  if (!formats.has(name)) formats.set(name, make());
  return formats.get(name);
}
