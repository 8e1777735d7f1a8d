// The API as who is signed in: the token is renewed in one place, and reads are asked for again
// where the server says when.

import { exchange, unreachable } from "./http.js";
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
  return bearing("GET", path, { patience: null });
}

async function answered(method, path, options) {
  const answer = await bearing(method, path, options);
  // Cut off in the middle, it is no answer.
  const cut = (error) => { throw options.signal?.aborted ? error : unreachable(); };
  return {
    data: answer.status === 204 ? null : await answer.json().catch(cut),
    etag: answer.headers.get("etag"),
    fence: answer.headers.get("comanda-fence"),
  };
}

function bearing(method, path, options) {
  return authorized((token) => {
    const headers = { ...options.headers, authorization: `Bearer ${token}` };
    return exchange(method, path, { ...options, headers });
  });
}

// What `send` makes of a token, and of another one where that is good no more.
export async function authorized(send) {
  const used = session.token();
  try {
    return await send(used);
  } catch (problem) {
    if (problem.status !== 401 || !used) throw problem;
    // Somebody else may have renewed it meanwhile.
    if (session.token() === used) await session.renew();
    return send(session.token());
  }
}

function paused(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });
}
