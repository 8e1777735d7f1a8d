// What this device was told to look and sound like. No secret is ever among it.

const KEY = "comanda-console";
const DEFAULTS = { language: "es", theme: "auto", sound: true, badge: true, cafeteria: null };

function read() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY)) };
  } catch {
    return { ...DEFAULTS };
  }
}

const kept = read();

export const preferences = {
  get: (name) => kept[name],
  set(name, value) {
    kept[name] = value;
    try {
      localStorage.setItem(KEY, JSON.stringify(kept));
    } catch {
      // A browser that keeps nothing forgets it with the page.
    }
    if (name === "theme") dress();
  },
};

// The colours of the style sheet follow `color-scheme`.
export function dress() {
  document.documentElement.dataset.theme = kept.theme;
}
