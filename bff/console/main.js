// The console: whoever is signed in sees their counter.

import { query, read } from "./api.js";
import { wake } from "./bell.js";
import { dismiss } from "./confirm.js";
import { h } from "./dom.js";
import { tellTimeOf } from "./format.js";
import { live } from "./live.js";
import { explained, forget } from "./messages.js";
import { dress, preferences } from "./preferences.js";
import { session } from "./session.js";
import { shell } from "./shell.js";
import { signIn } from "./sign_in.js";
import { language, t } from "./words.js";

const AGAIN_MS = 3000;
let frame = null;

dress();
document.documentElement.lang = language;
addEventListener("pointerdown", wake);
addEventListener("keydown", wake);
session.addEventListener("ended", ({ detail }) => { close(); show(signIn(open, detail)); });
if (await session.resume()) open();
else if (!document.querySelector("form")) show(signIn(open));

async function open() {
  const cafeterias = await places();
  if (!session.user) return;
  if (!cafeterias.length) return session.signOut();
  const kept = preferences.get("cafeteria");
  const chosen = cafeterias.find(({ id }) => id === kept) ?? cafeterias[0];
  tellTimeOf(chosen.timeZone);
  live.open(chosen.id);
  frame = shell(cafeterias, chosen, (cafeteria) => {
    preferences.set("cafeteria", cafeteria.id);
    tellTimeOf(cafeteria.timeZone);
    live.move(cafeteria.id).catch(() => {});
  });
  show(frame.element);
}

// Those that are this person's to run; asked for until there is an answer.
async function places() {
  while (session.user) {
    try {
      const { data } = (await read(query("/api/cafeterias", { fields: "id,name,timeZone" }))).data;
      return session.isAdmin ? data : data.filter(({ id }) => id === session.user.cafeteriaId);
    } catch (problem) {
      show(h("main", { id: "main" }, h("h1", {}, "Comanda"), h("p", { role: "status" }, explained(problem), " ", t("again"))));
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  return [];
}

// Nothing of what was seen is left for who comes next.
function close() {
  dismiss();
  forget();
  live.close();
  frame?.end();
  frame = null;
}

function show(element) {
  document.querySelector("#page").replaceChildren(element);
}
