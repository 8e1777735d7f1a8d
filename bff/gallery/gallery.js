// Every dish of the menu, the picture in the width and format that this browser chooses.
import { placeholder } from "./thumbhash.js";

const PAGE = 100;
const FIELDS = "id,name,price,picture.url,picture.srcset,picture.sizes,picture.width,picture.height,picture.thumbhash,picture.color";
const chosen = new Map(); // URL of the menu -> { type, bytes }

const dishes = document.getElementById("dishes");
const sum = document.getElementById("sum");

async function menu() {
  const products = [];
  for (let page = 1, pages = 1; page <= pages; page++) {
    const answer = await fetch(`/api/products?fields=${FIELDS}&limit=${PAGE}&page=${page}`);
    if (!answer.ok) throw new Error(`the menu answered ${answer.status}`);
    const { data, pagination } = await answer.json();
    products.push(...data);
    pages = pagination.totalPages;
  }
  return products.filter((product) => product.picture);
}

function card(product) {
  const { picture } = product;
  const figure = document.createElement("figure");
  const box = figure.appendChild(document.createElement("div"));
  box.className = "dish";
  box.style.backgroundColor = picture.color ?? "";
  if (picture.thumbhash) box.style.backgroundImage = `url(${placeholder(picture.thumbhash)})`;

  const image = new Image(picture.width, picture.height);
  image.alt = product.name;
  image.loading = "lazy";
  image.decoding = "async";
  // sizes before srcset: the choice is made when srcset is set.
  image.sizes = picture.sizes;
  image.srcset = picture.srcset;
  image.src = picture.url;

  const caption = figure.appendChild(document.createElement("figcaption"));
  caption.append(`${product.name} · ${product.price} €`);
  const told = caption.appendChild(document.createElement("small"));
  image.addEventListener("load", () => tell(image, told));
  box.append(image);
  return figure;
}

// What was chosen and what it weighed, as the browser itself measured it.
async function tell(image, told) {
  const [entry] = performance.getEntriesByName(image.currentSrc, "resource").slice(-1);
  const type = entry?.contentType || (await typeOf(image.currentSrc));
  const bytes = entry?.encodedBodySize ?? 0;
  const format = type.replace("image/", "");
  const width = new URL(image.currentSrc).searchParams.get("w");
  image.dataset.format = format;
  told.textContent = `${format} · w=${width} · ${(bytes / 1000).toFixed(1)} kB`;
  chosen.set(image.currentSrc, { format, bytes });
  const total = [...chosen.values()].reduce((all, each) => all + each.bytes, 0);
  const formats = [...new Set([...chosen.values()].map((each) => each.format))].join(", ");
  sum.textContent = `${chosen.size} imágenes · ${(total / 1000).toFixed(0)} kB · ${formats}`;
}

async function typeOf(url) {
  const answer = await fetch(url, { method: "HEAD", cache: "force-cache" });
  return answer.headers.get("content-type") ?? "";
}

try {
  dishes.append(...(await menu()).map(card));
} catch (error) {
  sum.textContent = String(error.message ?? error);
} finally {
  dishes.removeAttribute("aria-busy");
}
