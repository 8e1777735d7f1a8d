// A long list by its cursors, of which the pages that are looked at are in memory.
//
// A cursor leads to what follows, so the way to row 50,000 is through all before it, once; of what
// was seen there is one cursor a page left, by which it comes again.

const SIZE = 100;
// Pages in memory: the window, and what is scrolled to next.
const KEPT = 16;
// As many rows as browsers can place: a box is 16 million pixels high at most.
const MOST_ROWS = 350_000;
const AGAIN_MS = 5000;

export class Pages extends EventTarget {
  #fetch;
  #cursors = [undefined];
  #pages = new Map();
  #wanted = [0, 0];
  #reading = null;
  #stop = new AbortController();
  #isWhole = false;
  total = null;
  count = 0;

  // `fetch(cursor, size, signal)` answers with { data, pagination }.
  constructor(fetch) {
    super();
    this.#fetch = fetch;
  }

  // Whether there is nothing beyond `count`.
  get isWhole() {
    return this.#isWhole || this.isFull;
  }

  get isFull() {
    return this.count >= MOST_ROWS;
  }

  row(index) {
    return this.#pages.get(Math.floor(index / SIZE))?.[index % SIZE];
  }

  // Have these rows here, and the page behind them if they are the last that are known.
  want(first, last) {
    this.#wanted = [first, last];
    if (this.#reading) return;
    const reading = this.#read().finally(() => { if (this.#reading === reading) this.#reading = null; });
    this.#reading = reading;
  }

  // From the beginning, for the list is another.
  restart() {
    this.end();
    this.#stop = new AbortController();
    this.#cursors = [undefined];
    this.#pages.clear();
    this.#isWhole = false;
    this.#reading = null;
    this.count = 0;
    this.total = null;
    this.want(0, 0);
  }

  // What is looked at again, for some of it has changed; the rest comes when it is wanted.
  async refresh() {
    const { signal } = this.#stop;
    const [first, last] = this.#wanted.map((row) => Math.floor(row / SIZE));
    for (const number of [...this.#pages.keys()]) {
      if (number < first || number > last) {
        this.#pages.delete(number);
        continue;
      }
      const told = await this.#fetch(this.#cursors[number], SIZE, signal);
      if (signal.aborted) return;
      this.#pages.set(number, told.data);
    }
    this.#say();
  }

  // A row that is here, as it is now; whether it is here.
  change(id, changes) {
    for (const rows of this.#pages.values()) {
      const at = rows.findIndex((row) => row.id === id);
      if (at < 0) continue;
      rows[at] = { ...rows[at], ...changes };
      this.#say();
      return true;
    }
    return false;
  }

  end() {
    this.#stop.abort();
  }

  async #read() {
    const { signal } = this.#stop;
    try {
      for (let number; (number = this.#missing()) !== null;) {
        const told = await this.#fetch(this.#cursors[number], SIZE, signal);
        if (signal.aborted) return;
        this.#take(number, told);
      }
    } catch (problem) {
      if (signal.aborted) return;
      this.dispatchEvent(new CustomEvent("problem", { detail: problem }));
      // What was wrong with the question stays wrong.
      if (problem.status >= 400 && problem.status < 500) return;
      setTimeout(() => { if (!signal.aborted) this.want(...this.#wanted); }, AGAIN_MS);
    }
  }

  #missing() {
    const [first, last] = this.#wanted.map((row) => Math.floor(row / SIZE));
    for (let number = first; number <= last && number < this.#cursors.length; number++) {
      if (!this.#pages.has(number)) return number;
    }
    const isNear = this.#wanted[1] >= this.count - SIZE;
    const frontier = this.#cursors.length - 1;
    return isNear && !this.isWhole && !this.#pages.has(frontier) ? frontier : null;
  }

  #take(number, { data, pagination }) {
    // The last one in the map is what was asked for last.
    this.#pages.delete(number);
    this.#pages.set(number, data);
    if (this.#pages.size > KEPT) this.#pages.delete(this.#farthest(number));
    if (number === this.#cursors.length - 1) {
      this.count = number * SIZE + data.length;
      if (pagination.nextCursor) this.#cursors.push(pagination.nextCursor);
      else this.#isWhole = true;
    }
    this.total = pagination.total ?? this.total;
    this.#say();
  }

  #farthest(from) {
    const distance = (number) => Math.abs(number - from);
    return [...this.#pages.keys()].reduce((one, other) => (distance(other) > distance(one) ? other : one));
  }

  #say() {
    this.dispatchEvent(new Event("change"));
  }
}
