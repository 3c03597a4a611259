import type { StateRows } from "../../src/kv/state-rows.ts";

// Not by way of a Buffer: asking a small array for its buffer moves it off the heap, at the cost of ten such strings.
const toId = (key: Uint8Array): string => Reflect.apply(String.fromCharCode, null, key);
const toKey = (id: string): Uint8Array => Uint8Array.from(Buffer.from(id, "latin1"));

/** Rows in memory. As strings of Latin-1, in which the order of strings is the order of bytes. */
export class MemoryRows implements StateRows {
  readonly #rows = new Map<string, Uint8Array>();
  readonly #index: string[] = [];
  readonly #indexPrefix: string;
  /** Rows written and removed so far. */
  changes = 0;

  constructor(indexPrefix: Uint8Array, rows: Iterable<readonly [string, Uint8Array]> = []) {
    this.#indexPrefix = toId(indexPrefix);
    for (const [id, value] of rows) this.put(toKey(id), value);
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(toId(key));
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.changes++;
    const id = toId(key);
    if (id.startsWith(this.#indexPrefix) && !this.#rows.has(id)) this.#index.splice(this.#placeOf(id), 0, id);
    this.#rows.set(id, value);
  }

  delete(key: Uint8Array): void {
    this.changes++;
    const id = toId(key);
    if (id.startsWith(this.#indexPrefix) && this.#rows.has(id)) this.#index.splice(this.#placeOf(id), 1);
    this.#rows.delete(id);
  }

  firstIndexKey(start: Uint8Array, end: Uint8Array): Uint8Array | undefined {
    const id = this.#index[this.#placeOf(toId(start))];
    return id !== undefined && id < toId(end) ? toKey(id) : undefined;
  }

  /** Every row in byte order of keys; what a snapshot would hold. The values are copies. */
  snapshot(): [string, Uint8Array][] {
    return [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([id, value]) => [id, Uint8Array.from(value)]);
  }

  /** Number of rows of a kind, told by the first letter of their keys. */
  count(kind: string): number {
    let count = 0;
    for (const id of this.#rows.keys()) if (id.startsWith(kind)) count++;
    return count;
  }

  #placeOf(id: string): number {
    let low = 0;
    let high = this.#index.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#index[middle] ?? "") < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
