import { assert } from "../lib/assert.ts";
import type { KeyRange, Row, RowChange } from "../storage/storage-engine.ts";
import { OrderedKeys } from "./ordered-keys.ts";
import { RowCache } from "./row-cache.ts";
import type { StateRows } from "./state-machine.ts";

/** Durable rows, as the store has them. */
export interface DurableRows {
  stateRow(key: Uint8Array): Uint8Array | undefined;
  iterateState(range: KeyRange): AsyncIterable<Row>;
}

const { latin1Slice } = Buffer.prototype as unknown as {
  latin1Slice: (this: Uint8Array, start: number, end: number) => string;
};

/** What a view needs to know of rows that are to take the place of its own. */
export interface PreparedState {
  readonly indexKeys: OrderedKeys;
}

/** Keys are latin-1 strings inside: one code unit a byte, so that their order is that of the bytes. */
type Layer = Map<string, RowChange>;

/**
 * The state as applied: what the store has, covered by the rows that are being written, covered by those that wait to be.
 * A command sees its own writes; the store receives them in batches, later than readers do.
 */
export class StateView implements StateRows {
  readonly #durable: DurableRows;
  readonly #indexPrefix: string;
  /** Where the keys are that are kept in memory. */
  readonly #indexRange: KeyRange;
  #indexKeys = new OrderedKeys();
  #cache = new RowCache();
  #waiting: Layer = new Map();
  #waitingBytes = 0;
  #writing: Layer | null = null;

  private constructor(durable: DurableRows, indexPrefix: Uint8Array) {
    this.#durable = durable;
    this.#indexPrefix = toLatin1(indexPrefix);
    this.#indexRange = { start: indexPrefix, end: prefixEnd(indexPrefix) };
  }

  /** A view of the durable rows; reads the keys that begin with `indexPrefix` into memory. */
  static async load(durable: DurableRows, indexPrefix: Uint8Array): Promise<StateView> {
    const view = new StateView(durable, indexPrefix);
    view.#indexKeys = await view.#readIndexKeys((range) => durable.iterateState(range));
    return view;
  }

  /** Reads what is kept in memory of rows that are not in use yet. */
  async prepare(rows: { iterate(range: KeyRange): AsyncIterable<Row> }): Promise<PreparedState> {
    return { indexKeys: await this.#readIndexKeys((range) => rows.iterate(range)) };
  }

  /** The durable rows are others from now on: those of `prepared`. What waits to be written belongs to the old ones and is dropped. */
  replace({ indexKeys }: PreparedState): void {
    assert(this.#writing === null, "no rows are being written when all are replaced");
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    this.#indexKeys = indexKeys;
    this.#cache = new RowCache();
  }

  /** Bytes of rows that wait to be written. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const name = toLatin1(key);
    const change = this.#waiting.get(name) ?? this.#writing?.get(name);
    if (change !== undefined) return change.type === "put" ? change.value : undefined;
    const cached = this.#cache.get(name);
    if (cached !== undefined) return cached.value;
    const value = this.#durable.stateRow(key);
    this.#cache.set(name, value);
    return value;
  }

  /** {@link get} for whoever reads outside the loop: `fail` learns of what is thrown, since nobody else would. */
  getOrFail(key: Uint8Array, fail: (error: unknown) => void): Uint8Array | undefined {
    try {
      return this.get(key);
    } catch (error) {
      fail(error);
      throw error;
    }
  }

  put(key: Uint8Array, value: Uint8Array): void {
    this.#change(key, { type: "put", key, value });
  }

  delete(key: Uint8Array): void {
    this.#change(key, { type: "delete", key });
  }

  firstIndexKey(start: Uint8Array, end: Uint8Array): Uint8Array | undefined {
    const found = this.#indexKeys.firstFrom(toLatin1(start));
    return found !== undefined && found < toLatin1(end) ? Buffer.from(found, "latin1") : undefined;
  }

  /** Takes the waiting rows to be written; they stay visible. {@link written} must follow before the next. */
  takeWaiting(): RowChange[] {
    assert(this.#writing === null, "one write of rows at a time");
    const changes = [...this.#waiting.values()];
    this.#writing = this.#waiting;
    this.#waiting = new Map();
    this.#waitingBytes = 0;
    return changes;
  }

  /** The rows taken last are durable. */
  written(): void {
    assert(this.#writing !== null, "rows are being written");
    for (const [name, change] of this.#writing) this.#cache.set(name, change.type === "put" ? change.value : undefined);
    this.#writing = null;
  }

  async #readIndexKeys(iterate: (range: KeyRange) => AsyncIterable<Row>): Promise<OrderedKeys> {
    const keys = new OrderedKeys();
    for await (const [key] of iterate(this.#indexRange)) keys.add(toLatin1(key));
    return keys;
  }

  #change(key: Uint8Array, change: RowChange): void {
    const name = toLatin1(key);
    this.#waiting.set(name, change);
    this.#waitingBytes += name.length + (change.type === "put" ? change.value.length : 0);
    if (!name.startsWith(this.#indexPrefix)) return;
    if (change.type === "put") this.#indexKeys.add(name);
    else this.#indexKeys.delete(name);
  }
}

function toLatin1(bytes: Uint8Array): string {
  // Called on the bytes as they are: a Buffer around them would move a short array out of the heap, at several times the cost.
  return latin1Slice.call(bytes, 0, bytes.length);
}

/** First key after every key that begins with `prefix`. The prefix must not consist of 0xff bytes only. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = Uint8Array.from(prefix);
  for (let last = end.length - 1; last >= 0; last--) {
    const byte = end[last] ?? 0;
    if (byte < 0xff) {
      end[last] = byte + 1;
      return end.subarray(0, last + 1);
    }
  }
  assert(false, "a prefix of 0xff bytes has no end");
}
