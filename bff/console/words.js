// What the page says, in the language that was chosen.

import { preferences } from "./preferences.js";
import { en } from "./words/en.js";
import { es } from "./words/es.js";

export const LANGUAGES = { es: "Español", en: "English" };
const SPOKEN = { es, en };

export const language = preferences.get("language") in SPOKEN ? preferences.get("language") : "es";

// `{name}` in the words stands for a part that is given.
export function t(key, parts = {}) {
  const words = SPOKEN[language][key] ?? key;
  return words.replace(/\{(\w+)\}/g, (whole, name) => parts[name] ?? whole);
}

export function isKnown(key) {
  return key in SPOKEN[language];
}
