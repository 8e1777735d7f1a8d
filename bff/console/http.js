// One exchange with the server: what it says, or a problem (RFC 9457) that says what stands in the way.

const KIND = "urn:comanda:problem:";
// A network that swallows everything says nothing for ever.
const PATIENCE_MS = 30_000;

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

// Within `patience` milliseconds, null for any time; what is given to read them by then is whole.
export async function exchange(method, path, { headers = {}, body, signal, patience = PATIENCE_MS } = {}) {
  const limits = [signal, patience && AbortSignal.timeout(patience)].filter(Boolean);
  let answer;
  try {
    answer = await fetch(path, { method, headers, body, signal: AbortSignal.any(limits), cache: "no-cache" });
  } catch (error) {
    throw signal?.aborted ? error : unreachable();
  }
  if (answer.ok) return answer;
  throw await problemOf(answer);
}

async function problemOf(answer) {
  const told = await answer.json().catch(() => ({}));
  const seconds = Number(answer.headers.get("retry-after"));
  return new Problem(answer.status, told, Number.isFinite(seconds) && seconds > 0 ? seconds : null);
}
