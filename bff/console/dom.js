// Elements, made without markup in strings: nothing that comes from outside is ever read as HTML.

const SVG = "http://www.w3.org/2000/svg";

// Attributes by name; what is a function listens ("onclick"), and null or false is left out, but for
// ARIA's, which say false in words.
export function h(name, attributes = {}, ...children) {
  return furnished(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return furnished(document.createElementNS(SVG, name), attributes, children);
}

function furnished(element, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (typeof value === "boolean" && key.startsWith("aria-")) element.setAttribute(key, value);
    else if (typeof value === "function") element.addEventListener(key.slice(2), value);
    else if (value != null && value !== false) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children.flat(2).filter((child) => child != null && child !== false));
  return element;
}

export function option(value, words, chosen = false) {
  return h("option", { value, selected: chosen }, words);
}

// A control with its name.
export function field(words, control, hint = null) {
  return h("label", { class: "field" }, h("span", {}, words), control, hint && h("small", {}, hint));
}

// A button that cannot be pressed again until what it does is done.
export function action(words, attributes, work) {
  const button = h("button", { type: "button", ...attributes, onclick: run }, words);
  async function run(event) {
    if (button.getAttribute("aria-busy")) return;
    button.setAttribute("aria-busy", "true");
    try {
      await work(event);
    } finally {
      button.removeAttribute("aria-busy");
    }
  }
  return button;
}
