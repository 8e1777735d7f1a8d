// Pictures of dishes: what is shown until one comes, and how one is sent.

import { authorized } from "./api.js";
import { h } from "./dom.js";
import { Problem, unreachable } from "./http.js";
import { placeholder } from "/gallery/thumbhash.js";

const THUMBNAIL_PX = 48;
// What phones ask for: a dish in a list, in the width of the screen, and by itself.
export const PHONE_SIZES = [160, 320, 640];

export function thumbnail({ name, picture }) {
  const box = h("span", { class: "thumbnail" });
  if (!picture) return box;
  blur(box, picture);
  const side = THUMBNAIL_PX * Math.min(3, Math.ceil(devicePixelRatio));
  box.append(h("img", { src: sized(picture.url, side, side), alt: "", width: THUMBNAIL_PX, height: THUMBNAIL_PX, loading: "lazy", decoding: "async", title: name }));
  return box;
}

// The picture as somebody gets it who asks for that width.
export function sized(url, width, height = null) {
  const address = new URL(url, location);
  address.searchParams.set("w", width);
  if (height) address.searchParams.set("h", height);
  return address.pathname + address.search;
}

export function blur(box, { color, thumbhash }) {
  box.style.backgroundColor = color ?? "";
  box.style.backgroundImage = thumbhash ? `url(${placeholder(thumbhash)})` : "";
}

// Send a picture, telling how much of it has gone (0 to 1); fetch does not say that. Raises Problem.
export function upload(path, file, progress) {
  return authorized((token) => put(path, file, progress, token));
}

function put(path, file, progress, token) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path);
    request.setRequestHeader("authorization", `Bearer ${token}`);
    request.setRequestHeader("content-type", file.type || "application/octet-stream");
    request.responseType = "json";
    request.upload.onprogress = ({ loaded, total }) => progress(total ? loaded / total : 0);
    request.onerror = () => reject(unreachable());
    request.onload = () => {
      if (request.status < 400) resolve(request.response);
      else reject(new Problem(request.status, request.response ?? {}, Number(request.getResponseHeader("retry-after")) || null));
    };
    request.send(file);
  });
}
