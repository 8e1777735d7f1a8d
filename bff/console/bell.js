// A new order is heard, and counted in the title of the tab, by who looks elsewhere.

import { preferences } from "./preferences.js";

const NOTES_HZ = [880, 1175];
const NOTE_S = 0.18;
const LOUDNESS = 0.2;
let context = null;

// Browsers let a page sound once somebody has touched it.
export function wake() {
  context ??= new AudioContext();
  if (context.state === "suspended") context.resume().catch(() => {});
}

export function ring() {
  if (!preferences.get("sound") || context?.state !== "running") return;
  NOTES_HZ.forEach((frequency, index) => {
    const begins = context.currentTime + index * NOTE_S;
    const tone = new OscillatorNode(context, { frequency });
    const volume = new GainNode(context, { gain: LOUDNESS });
    volume.gain.setValueAtTime(LOUDNESS, begins);
    volume.gain.exponentialRampToValueAtTime(0.001, begins + NOTE_S);
    tone.connect(volume).connect(context.destination);
    tone.start(begins);
    tone.stop(begins + NOTE_S);
  });
}

let title = document.title;
let waiting = 0;

export function entitle(words) {
  title = `${words} · Comanda`;
  show();
}

export function badge(count) {
  waiting = count;
  show();
}

// As it is preferred now.
export function show() {
  const told = preferences.get("badge") ? waiting : 0;
  document.title = told ? `(${told}) ${title}` : title;
  if (told) navigator.setAppBadge?.(told)?.catch(() => {});
  else navigator.clearAppBadge?.()?.catch(() => {});
}
