import { clearInSteps } from "./clear-in-steps.ts";
import type { EngineSnapshot, IterateOptions, KeyRange, Row, RowChange, StorageEngine } from "./storage-engine.ts";
import { UseGuard } from "./use-guard.ts";

/** What memory engines keep their rows in; outlives them as a disk outlives a process. */
export class MemoryRows {
  /** Ordered by key, bytewise, without repeats. */
  #rows: Row[] = [];
  /** Whether an iteration may still be reading `#rows`, so that a change has to copy it first. */
  #shared = false;

  /** The rows as they are now; later changes leave them alone. */
  snapshot(): readonly Row[] {
    this.#shared = true;
    return this.#rows;
  }

  /** The rows of a range as they are now, in an array of their own. */
  within(range: KeyRange): Row[] {
    return rowsWithin(this.#rows, range);
  }

  /** The value under a key. */
  get(key: Uint8Array): Uint8Array | undefined {
    return valueIn(this.#rows, key);
  }

  /** Makes one change, with arrays of its own; returns the value that stood there before. */
  apply(change: RowChange): Uint8Array | undefined {
    if (this.#shared) this.#rows = this.#rows.slice();
    this.#shared = false;
    const at = firstRowFrom(this.#rows, change.key);
    const found = this.#rows[at];
    const before = found !== undefined && compareBytes(found[0], change.key) === 0 ? found : undefined;
    if (change.type === "delete") {
      if (before !== undefined) this.#rows.splice(at, 1);
    } else if (before !== undefined) this.#rows[at] = [before[0], copyOf(change.value)];
    else this.#rows.splice(at, 0, [copyOf(change.key), copyOf(change.value)]);
    return before?.[1];
  }
}

/** An engine that keeps nothing beyond its `rows`: for tests and simulations. Default: rows of its own. */
export function openMemoryEngine(rows: MemoryRows = new MemoryRows()): StorageEngine {
  const guard = new UseGuard("memory engine");
  const check = (): void => guard.check();
  const engine: StorageEngine = {
    name: "memory",
    async write(changes) {
      check();
      for (const change of changes) rows.apply(change);
    },
    get(key) {
      check();
      return copyIfThere(rows.get(key));
    },
    iterate: (range, options) => readPages(() => rows.within(range), options, check),
    clear: (range) => clearInSteps(engine, range),
    snapshot() {
      check();
      return openMemorySnapshot(rows.snapshot(), check);
    },
    async close() {
      guard.close();
    },
  };
  return engine;
}

/** The rows of one moment, which nobody changes any more. `checkEngine` throws when the engine is closed or has failed. */
export function openMemorySnapshot(rows: readonly Row[], checkEngine: () => void): EngineSnapshot {
  const guard = new UseGuard("a snapshot of the memory engine");
  const check = (): void => {
    checkEngine();
    guard.check();
  };
  return {
    get(key) {
      check();
      return copyIfThere(valueIn(rows, key));
    },
    iterate: (range, options) => readPages(() => rowsWithin(rows, range), options, check),
    async close() {
      guard.close();
    },
  };
}

/** `rows` makes an array that nobody else has, once the first page is asked for. */
async function* readPages(
  rows: () => Row[],
  options: IterateOptions = {},
  check: () => void,
): AsyncGenerator<readonly Row[]> {
  check();
  for (const page of pagesOf(rows(), options)) {
    check();
    yield page;
  }
  check();
}

/** Those of some rows, ordered by key, that lie within a range. */
export function rowsWithin(rows: readonly Row[], { start, end }: KeyRange): Row[] {
  const first = firstRowFrom(rows, start);
  return rows.slice(first, Math.max(first, firstRowFrom(rows, end)));
}

function* pagesOf(rows: Row[], { reverse = false, limit = Infinity, pageBytes = 65_536 }: IterateOptions) {
  if (reverse) rows.reverse();
  let page: Row[] = [];
  let bytes = 0;
  for (const [key, value] of rows.slice(0, limit)) {
    page.push([copyOf(key), copyOf(value)]);
    bytes += key.length + value.length;
    if (bytes < pageBytes) continue;
    yield page;
    page = [];
    bytes = 0;
  }
  if (page.length > 0) yield page;
}

function valueIn(rows: readonly Row[], key: Uint8Array): Uint8Array | undefined {
  const row = rows[firstRowFrom(rows, key)];
  return row !== undefined && compareBytes(row[0], key) === 0 ? row[1] : undefined;
}

/** Position of the first row, of rows ordered by key, whose key is not below `key`. */
export function firstRowFrom(rows: readonly Row[], key: Uint8Array): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const row = rows[middle];
    if (row !== undefined && compareBytes(row[0], key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** From the pool of buffers: memory of its own costs a row ten times as much. A slice would share the bytes of a Buffer. */
function copyOf(bytes: Uint8Array): Uint8Array {
  return Buffer.from(bytes);
}

function copyIfThere(bytes: Uint8Array | undefined): Uint8Array | undefined {
  return bytes === undefined ? undefined : copyOf(bytes);
}

/** Below, at or above 0 as `a` stands before, at or after `b`. Keys are short: a call of native code costs more than the loop. */
function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}
