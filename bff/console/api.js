// The API as who is signed in: the token is renewed in one place, and reads are asked for again
// where the server says when.

import { exchange } from "./http.js";
import { session } from "./session.js";

const TRIES = 4;
const MOST_PAUSE_S = 60;
const PAUSES_S = [1, 2, 4];
const LATER = [429, 503];

// Query parameters; null and undefined are left out, an array is the name again and again.
export function query(path, parameters) {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of [value].flat()) if (each != null && each !== "") search.append(name, each);
  }
  return search.size ? `${path}?${search}` : path;
}

// { data, etag, fence }; raises Problem.
export async function read(path, { fence, signal, told } = {}) {
  const headers = fence ? { "comanda-fence": fence } : {};
  for (let tried = 1; ; tried++) {
    try {
      return await answered("GET", path, { headers, signal });
    } catch (problem) {
      if (!LATER.includes(problem.status) || tried === TRIES) throw problem;
      const pause = Math.min(MOST_PAUSE_S, problem.retryAfter ?? PAUSES_S[tried - 1]);
      told?.(problem, pause);
      await paused(pause * 1000, signal);
    }
  }
}

// What changes something is sent once: whoever asked decides whether to ask again.
export function write(method, path, body, { ifMatch } = {}) {
  const headers = {};
  if (body !== undefined) headers["content-type"] = "application/json";
  if (ifMatch) headers["if-match"] = ifMatch;
  return answered(method, path, { headers, body: body && JSON.stringify(body) });
}

// The answer itself, for a file.
export function download(path) {
  return authorized("GET", path, { headers: {} });
}

async function answered(method, path, options) {
  const answer = await authorized(method, path, options);
  return {
    data: answer.status === 204 ? null : await answer.json(),
    etag: answer.headers.get("etag"),
    fence: answer.headers.get("comanda-fence"),
  };
}

async function authorized(method, path, options) {
  const used = session.token();
  try {
    return await exchange(method, path, bearing(options, used));
  } catch (problem) {
    if (problem.status !== 401 || !used) throw problem;
    // Somebody else may have renewed it meanwhile.
    if (session.token() === used) await session.renew();
    return exchange(method, path, bearing(options, session.token()));
  }
}

function bearing(options, token) {
  return { ...options, headers: { ...options.headers, authorization: `Bearer ${token}` } };
}

function paused(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });
}
