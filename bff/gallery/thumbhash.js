// A ThumbHash (https://evanw.github.io/thumbhash/) as a small blurred picture: a data URL.
// The hash holds a few cosine waves of lightness and two colours; they are added up here.

const SIDE = 32;

export function placeholder(base64) {
  const hash = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  if (hash.length < 5) return "";
  const header = hash[0] | (hash[1] << 8) | (hash[2] << 16);
  const more = hash[3] | (hash[4] << 8);
  const hasAlpha = header >> 23;
  const landscape = more >> 15;
  const waves = more & 7;
  const columns = Math.max(3, landscape ? (hasAlpha ? 5 : 7) : waves);
  const rows = Math.max(3, landscape ? waves : hasAlpha ? 5 : 7);

  const nibbles = nibblesOf(hash, hasAlpha ? 6 : 5);
  const lightness = channel(nibbles, columns, rows, ((header >> 18) & 31) / 31);
  const yellow = channel(nibbles, 3, 3, (((more >> 3) & 63) / 63) * 1.25);
  const red = channel(nibbles, 3, 3, (((more >> 9) & 63) / 63) * 1.25);
  const opacity = hasAlpha ? channel(nibbles, 5, 5, (hash[5] >> 4) / 15) : null;

  const base = {
    lightness: (header & 63) / 63,
    yellow: ((header >> 6) & 63) / 31.5 - 1,
    red: ((header >> 12) & 63) / 31.5 - 1,
    opacity: hasAlpha ? (hash[5] & 15) / 15 : 1,
  };
  const ratio = columns / rows;
  const width = Math.round(ratio > 1 ? SIDE : SIDE * ratio);
  const height = Math.round(ratio > 1 ? SIDE / ratio : SIDE);

  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(width, height);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 4) {
      const [u, v] = [(x + 0.5) / width, (y + 0.5) / height];
      const l = base.lightness + sum(lightness, u, v);
      const p = base.yellow + sum(yellow, u, v);
      const q = base.red + sum(red, u, v);
      const blue = l - (2 / 3) * p;
      const r = (3 * l - blue + q) / 2;
      pixels.data.set([r, r - q, blue].map((value) => 255 * value), at);
      pixels.data[at + 3] = 255 * (base.opacity + (opacity ? sum(opacity, u, v) : 0));
    }
  }
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
}

function* nibblesOf(hash, start) {
  for (let at = start; at < hash.length; at++) {
    yield hash[at] & 15;
    yield hash[at] >> 4;
  }
}

// The waves of a channel: [columns, rows, amplitude], but for the constant one.
function channel(nibbles, columns, rows, scale) {
  const waves = [];
  for (let row = 0; row < rows; row++) {
    for (let column = row ? 0 : 1; column * rows < columns * (rows - row); column++) {
      waves.push([column, row, ((nibbles.next().value ?? 7.5) / 7.5 - 1) * scale]);
    }
  }
  return waves;
}

function sum(waves, u, v) {
  let total = 0;
  for (const [column, row, amplitude] of waves) {
    total += 2 * amplitude * Math.cos(Math.PI * u * column) * Math.cos(Math.PI * v * row);
  }
  return total;
}
