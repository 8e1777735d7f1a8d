// CloudFront Function (JavaScript runtime 2.0) for viewer requests: a picture's public URL -> the
// canonical path that cdn/address.py makes of it, so that the path alone is the cache key.
// tests/cdn/vectors.json holds both to the same answers. The runtime is ECMAScript 5.1 with
// additions: no for-of, destructuring, spread or default arguments; and 10 KB.

// Copied from cdn/ladder.json by `python -m cdn.edge.build`.
// <ladder>
const LADDER = {
  sizes: [32,48,64,96,128,160,200,256,300,320,400,480,600,640,750,800,900,1080,1200,1600,1920,2400],
  qualities: [40,50,60,70,80,90],
  autoQuality: {"avif":[66,57],"webp":[80,71],"jpeg":[80,70]},
  formats: ["avif","webp","jpeg"],
  animated: ["webp"],
  fits: ["cover","contain","inside","fill"],
  gravities: {"c":[50,50],"n":[50,0],"ne":[100,0],"e":[100,50],"se":[100,100],"s":[50,100],"sw":[0,100],"w":[0,50],"nw":[0,0]},
  focusStep: 25,
  backgroundStep: 255,
  presets: {"thumb":{"w":"160","h":"160","fit":"cover"},"card":{"w":"400","h":"300","fit":"cover"},"detail":{"w":"800"},"hero":{"w":"1600","h":"900","fit":"cover"}},
  limits: {"side":10000,"signedSide":4096,"dpr":[1,4],"dprSteps":4,"acceptBytes":1024},
};
// </ladder>

const NAMES = ['p', 'v', 's', 'dpr', 'w', 'h', 'q', 'fit', 'g', 'bg', 'fm', 'anim'];
const MOST_ID = '9223372036854775807';
const LIMITS = LADDER.limits;

function handler(event) {
  const request = event.request;
  try {
    const id = product(request);
    if (!id) return request;
    request.uri = '/v/' + id + variant(given(request.querystring), request.headers);
    request.querystring = {};
    request.cookies = {};
  } catch (error) {
    // Anything but a refusal is a fault of ours, and the origin normalises again.
    if (error.parameter) return problem(error);
  }
  return request;
}

function product(request) {
  if (request.method !== 'GET' && request.method !== 'HEAD') return undefined;
  if (!fits(/^\/products\/[1-9][0-9]{0,18}/, request.uri)) return undefined;
  const id = request.uri.slice('/products/'.length);
  return id.length === MOST_ID.length && id > MOST_ID ? undefined : id;
}

// The query: cdn/parameters.py

function given(query) {
  const values = Object.create(null);
  NAMES.forEach(name => {
    const field = own(query, name);
    if (!field) return;
    if (field.multiValue && field.multiValue.length > 1) {
      throw { parameter: name, detail: name + ' is given more than once.' };
    }
    values[name] = field.value.replace(
      /%(2[1-9A-Fa-f]|[3-6][0-9A-Fa-f]|7[0-9A-Ea-e])/g,
      (_, digits) => String.fromCharCode(parseInt(digits, 16)));
  });
  const preset = choice(values, 'p', Object.keys(LADDER.presets));
  return Object.assign(Object.create(null), LADDER.presets[preset], values);
}

// Own properties only: a parameter may be called __proto__.
function own(object, name) {
  return Object.prototype.hasOwnProperty.call(object, name) ? object[name] : undefined;
}

function read(values, name, allowed, reader) {
  const text = values[name];
  if (text === undefined) return undefined;
  const value = reader(text);
  if (value === undefined) refuse(name, text, allowed);
  return value;
}

// The whole text: `$` would let a line feed follow, for this runtime's expressions are PCRE.
function fits(pattern, text) {
  const found = pattern.exec(text);
  return found && found[0] === text ? text : undefined;
}

function refuse(name, text, allowed) {
  const shown = text.replace(/[^ -~]+/g, '?').slice(0, 32);
  throw { parameter: name, detail: name + '="' + shown + '" is not ' + allowed + '.' };
}

function choice(values, name, choices) {
  return read(values, name, 'one of ' + choices.join(', '),
    text => (choices.indexOf(text) < 0 ? undefined : text));
}

function whole(text, highest) {
  const number = parseInt(fits(/^[0-9]{1,6}/, text), 10);
  return number >= 1 && number <= highest ? number : undefined;
}

function side(values, name, steps, signed) {
  const asked = read(values, name, 'a whole number from 1 to ' + LIMITS.side,
    text => whole(text, LIMITS.side));
  const pixels = asked && Math.ceil(asked * steps / LIMITS.dprSteps);
  if (signed && pixels > LIMITS.signedSide) {
    refuse(name, values[name], 'at most ' + LIMITS.signedSide + ' pixels, dpr counted in');
  }
  return pixels;
}

function ratio(text) {
  const asked = parseFloat(fits(/^[0-9](\.[0-9]{1,20})?/, text));
  const within = asked >= LIMITS.dpr[0] && asked <= LIMITS.dpr[1];
  return within ? Math.ceil(asked * LIMITS.dprSteps) : undefined;
}

function focus(text) {
  const points = own(LADDER.gravities, text) || text.split(',').map(percent);
  return points.length === 2 && points[0] <= 100 && points[1] <= 100 ? points : undefined;
}

function percent(text) {
  const fraction = parseFloat(fits(/^([01]?\.[0-9]{1,8}|[01])/, text));
  const step = LADDER.focusStep;
  return fraction <= 1 ? Math.floor(fraction * (100 / step) + 0.5) * step : NaN;
}

function colour(text) {
  const digits = fits(/^[0-9A-Fa-f]{3}([0-9A-Fa-f]{3})?/, text);
  return digits && (digits[3] ? digits : digits.replace(/./g, '$&$&')).toLowerCase();
}

// The recipe: cdn/address.py, cdn/recipe.py and cdn/ladder.py

function variant(values, headers) {
  const version = read(values, 'v', 'a version of 1 to 64 letters, digits, - and _',
    text => fits(/^[A-Za-z0-9_-]{1,64}/, text)) || 'current';
  const signature = read(values, 's', 'the name of a key, a dot and 43 characters',
    text => fits(/^[a-z0-9]{1,16}\.[A-Za-z0-9_-]{43}/, text));
  const steps = read(values, 'dpr', 'a number from ' + LIMITS.dpr.join(' to '), ratio) ||
    LIMITS.dprSteps;
  const width = side(values, 'w', steps, signature);
  const height = side(values, 'h', steps, signature);
  const quality = read(values, 'q', 'auto or a whole number from 1 to 100',
    text => (text === 'auto' ? text : whole(text, 100))) || 'auto';
  const boxed = width && height;
  const fit = choice(values, 'fit', LADDER.fits);
  const point = read(values, 'g', 'one of ' + Object.keys(LADDER.gravities).join(', ') +
    ' or a point such as 0.3,0.7', focus);
  const background = read(values, 'bg', 'a colour of 3 or 6 hexadecimal digits', colour);
  const asked = choice(values, 'fm', ['auto', 'avif', 'webp', 'jpeg', 'png']) || 'auto';
  const animated = choice(values, 'anim', ['0', '1']) === '1';
  const format = asked !== 'auto' ? asked : preferred(header(headers, 'accept'), animated);

  const parts = [];
  if (width) parts.push('w' + (signature ? width : snapped(width, LADDER.sizes, 0)));
  if (height) parts.push('h' + (signature ? height : snapped(height, LADDER.sizes, 0)));
  if (!parts.length) parts.push('full');
  const cropped = boxed && (fit || 'cover') === 'cover';
  if (boxed && !cropped) parts.push(fit);
  if (cropped && point && point.join() !== '50,50') parts.push('g' + point.join('-'));
  const shown = background && (signature ? background : background.replace(/../g, nearest));
  const shows = signature || format === 'jpeg' || (boxed && fit === 'contain');
  if (shown && shown !== 'ffffff' && shows) parts.push('bg' + shown);
  if (animated && LADDER.animated.indexOf(format) >= 0) parts.push('a');
  const frugal = /^[ \t]*on[ \t]*$/i.test(header(headers, 'save-data')) ? 1 : 0;
  if (format !== 'png') {
    parts.push('q' + (quality === 'auto' ? LADDER.autoQuality[format][frugal]
      : snapped(quality, LADDER.qualities, frugal)));
  }
  return '/' + version + '/' + (signature ? signature + '/' : '') + parts.join('_') + '.' + format;
}

function snapped(value, rungs, lower) {
  let rung = 0;
  while (rung < rungs.length - 1 && rungs[rung] < value) rung++;
  return rungs[Math.max(0, rung - lower)];
}

function nearest(channel) {
  const step = LADDER.backgroundStep;
  const level = Math.floor((parseInt(channel, 16) + Math.floor(step / 2)) / step) * step;
  return ('0' + level.toString(16)).slice(-2);
}

// Accept: cdn/negotiation.py

function header(headers, name) {
  const field = own(headers, name);
  if (!field) return '';
  return field.multiValue ? field.multiValue.map(line => line.value).join(',') : field.value;
}

function preferred(accept, animated) {
  const weights = weigh(accept);
  let best = 'jpeg';
  let highest = 0;
  LADDER.formats.forEach(format => {
    if (animated && format !== 'jpeg' && LADDER.animated.indexOf(format) < 0) return;
    const ranges = format === 'jpeg' ? ['image/jpeg', 'image/*', '*/*'] : ['image/' + format];
    const weight = weights[ranges.filter(range => weights[range] !== undefined)[0]] || 0;
    if (weight > highest) { best = format; highest = weight; }
  });
  return best;
}

function weigh(accept) {
  const weights = Object.create(null);
  if (accept.length > LIMITS.acceptBytes || /[^\t !#-~]/.test(accept)) return weights;
  accept.toLowerCase().split(',').forEach(element => {
    const parts = element.split(';').map(part => part.trim());
    const range = parts.shift();
    const weight = weightIn(parts.filter(part => part));
    if (weight >= 0 && !(weights[range] < weight)) weights[range] = weight;
  });
  return weights;
}

function weightIn(parameters) {
  if (!parameters.length) return 1;
  if (!parameters.every(each => each.slice(0, 2) === 'q=')) return -1;
  const weight = fits(/^q=(0(\.[0-9]{0,3})?|1(\.0{0,3})?)/, parameters[0]);
  return weight && parameters.length === 1 ? parseFloat(weight.slice(2)) : 0;
}

// A refusal in the application's own words (RFC 9457)

function problem(refusal) {
  return {
    statusCode: 400,
    statusDescription: 'Bad Request',
    headers: {
      'content-type': { value: 'application/problem+json' },
      'cache-control': { value: 'no-store' },
    },
    body: JSON.stringify({
      type: 'urn:comanda:problem:invalid-parameter',
      title: 'A parameter is wrong',
      status: 400,
      detail: refusal.detail,
      errors: [refusal],
    }),
  };
}
