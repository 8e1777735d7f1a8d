// One exchange with the server: what it says, or a problem (RFC 9457) that says what stands in the way.

const KIND = "urn:comanda:problem:";

export class Problem extends Error {
  constructor(status, body, retryAfter = null) {
    super(body.detail ?? body.title ?? String(status));
    this.status = status;
    this.kind = (body.type ?? "").replace(KIND, "") || "internal";
    this.present = body.present ?? null;
    this.instance = body.instance ?? null;
    this.retryAfter = retryAfter;
  }
}

// Nobody answered: the network is away, or the server is.
export function unreachable() {
  return new Problem(0, { type: `${KIND}unreachable`, title: "unreachable" });
}

export async function exchange(method, path, { headers = {}, body, signal } = {}) {
  let answer;
  try {
    answer = await fetch(path, { method, headers, body, signal, cache: "no-cache" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw unreachable();
  }
  if (answer.ok) return answer;
  throw await problemOf(answer);
}

async function problemOf(answer) {
  const told = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("retry-after"));
  return new Problem(answer.status, told, Number.isFinite(seconds) && seconds > 0 ? seconds : null);
}
