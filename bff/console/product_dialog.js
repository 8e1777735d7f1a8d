// A dish: what it is called, costs and looks like.

import { read, write } from "./api.js";
import { asked } from "./confirm.js";
import { action, field, h, option } from "./dom.js";
import { bytes } from "./format.js";
import { complain, explained } from "./messages.js";
import { blur, PHONE_SIZES, sized, upload } from "./pictures.js";
import { t } from "./words.js";

const FIELDS = ["name", "price", "stock", "categoryId", "description", "isAvailable"];
// How often it is asked how many sizes are made, and for how long.
const LOOK_MS = 700;
const LOOKS = 40;
// A dish that sells while it is saved.
const TRIES = 6;
const AGAIN_MS = 500;

// Resolves to the dish as it is when the dialog is closed, null where there is none any more.
export async function editProduct(id, categories) {
  let dish = null;
  let etag = null;
  const inputs = {
    name: h("input", { required: true, maxlength: 160 }),
    price: h("input", { required: true, inputmode: "decimal", pattern: "[0-9]{1,6}([.,][0-9]{1,2})?" }),
    stock: h("input", { required: true, type: "number", min: 0, max: 1_000_000, step: 1 }),
    categoryId: h("select", {}, [...categories].map(([key, name]) => option(key, name))),
    description: h("textarea", { rows: 3, maxlength: 2000 }),
    isAvailable: h("input", { type: "checkbox" }),
  };
  try {
    await renew();
  } catch (problem) {
    complain(problem);
    return null;
  }
  const trouble = h("p", { class: "trouble", role: "alert" });
  const title = h("h2", { id: "product-title" }, dish.name);
  const form = h("form", { onsubmit: save },
    FIELDS.map((name) => field(t(`product.${name}`), inputs[name])), trouble,
    h("div", { class: "choices" },
      h("button", { type: "button", onclick: () => dialog.close() }, t("close")),
      h("button", { class: "primary" }, t("save"))));
  const dialog = h("dialog", { class: "wide", "aria-labelledby": "product-title" }, title,
    h("div", { class: "halves" }, form, pictureOf(() => dish, renew)));
  await asked(dialog);
  return dish;

  // As it is now; what was typed stays.
  async function renew() {
    const answer = await read(`/api/products/${id}`);
    const typed = dish ? changes() : {};
    [dish, etag] = [answer.data, answer.etag];
    for (const name of FIELDS) {
      if (name in typed) continue;
      if (name === "isAvailable") inputs[name].checked = dish[name];
      else inputs[name].value = dish[name];
    }
  }

  // What was typed that is not what there is.
  function changes() {
    const typed = {
      name: inputs.name.value.trim(),
      price: inputs.price.value.replace(",", "."),
      stock: Number(inputs.stock.value),
      categoryId: Number(inputs.categoryId.value),
      description: inputs.description.value,
      isAvailable: inputs.isAvailable.checked,
    };
    return Object.fromEntries(Object.entries(typed).filter(([name, value]) => value !== dish[name]));
  }

  async function save(event) {
    event.preventDefault();
    trouble.textContent = "";
    const wanted = changes();
    if (!Object.keys(wanted).length) return dialog.close();
    try {
      for (let tried = 1; !(await isSaved(wanted)); tried++) {
        const before = dish;
        await renew();
        const theirs = FIELDS.filter((name) => dish[name] !== before[name]);
        // Each order takes of the stock: nobody is asked about that who does not count it. And what
        // was read may be from before the change.
        if (tried < TRIES && theirs.every((name) => name === "stock" && !(name in wanted))) {
          await new Promise((resolve) => setTimeout(resolve, AGAIN_MS * (tried - 1)));
          continue;
        }
        // Somebody else was here: what they changed is shown, and whoever saves once more has seen it.
        const list = theirs.map((name) => `${t(`product.${name}`)}: ${dish[name]}`).join("; ");
        trouble.textContent = list ? t("product.changed", { list }) : t("problem.changed");
        return;
      }
      dialog.close();
    } catch (problem) {
      trouble.textContent = explained(problem);
    }
  }

  // Not where it has become another since it was read.
  async function isSaved(wanted) {
    try {
      const answer = await write("PATCH", `/api/products/${id}`, wanted, { ifMatch: etag });
      [dish, etag] = [answer.data, answer.etag];
      return true;
    } catch (problem) {
      if (problem.status !== 412) throw problem;
      return false;
    }
  }
}

function pictureOf(dish, renew) {
  const progress = h("progress", { max: 1, hidden: true, "aria-label": t("picture.progress") });
  const told = h("p", { role: "status" });
  const shown = h("div", { class: "sizes" });
  const input = h("input", { type: "file", accept: "image/jpeg,image/png,image/webp,image/gif,image/avif", onchange: send });
  const removal = action(t("picture.remove"), { class: "quiet" }, remove);
  show();
  return h("section", { class: "picture", "aria-label": t("product.picture") }, field(t("picture.choose"), input, t("picture.hint")), progress, told, shown, removal);

  // In the sizes that phones get.
  function show() {
    const { picture, name } = dish();
    removal.hidden = !picture;
    if (!picture) {
      shown.replaceChildren(h("p", {}, t("picture.none")));
      return;
    }
    shown.replaceChildren(...PHONE_SIZES.map((width) => {
      const height = Math.round((width * picture.height) / picture.width);
      const box = h("div", { class: "size" });
      box.style.aspectRatio = `${picture.width} / ${picture.height}`;
      blur(box, picture);
      const words = t("picture.size", { name, width });
      box.append(h("img", { src: sized(picture.url, width), width, height, alt: words, decoding: "async" }));
      return h("figure", {}, box, h("figcaption", {}, `${width} px`));
    }));
  }

  async function send() {
    const [file] = input.files;
    if (!file) return;
    const preview = URL.createObjectURL(file);
    shown.replaceChildren(h("img", { src: preview, class: "preview", alt: t("picture.preview") }));
    progress.hidden = false;
    progress.value = 0;
    told.textContent = t("picture.sending", { size: bytes(file.size) });
    try {
      await upload(`/api/products/${dish().id}/picture`, file, (share) => { progress.value = share; });
      told.textContent = t("picture.taken");
      await renew();
      show();
      await prepared();
    } catch (problem) {
      told.textContent = explained(problem);
      show();
    } finally {
      URL.revokeObjectURL(preview);
      progress.hidden = true;
      input.value = "";
    }
  }

  // The common sizes are made behind the upload; who asks for one before gets it all the same.
  async function prepared() {
    for (let looked = 0; looked < LOOKS && input.isConnected; looked++) {
      const { data } = await read(`/api/products/${dish().id}/picture/preparation`);
      progress.value = data.total ? data.done / data.total : 1;
      told.textContent = t("picture.made", data);
      if (data.done >= data.total) return;
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }

  async function remove() {
    try {
      await write("DELETE", `/api/products/${dish().id}/picture`);
      await renew();
      told.textContent = "";
      show();
    } catch (problem) {
      told.textContent = explained(problem);
    }
  }
}
