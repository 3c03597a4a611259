import type { RocksIterator } from "@nxtedition/rocksdb";
import { type ColumnName, columnOf, type Segment, segmentsOf } from "./rocksdb-columns.ts";
import type { EngineSnapshot, IterateOptions, KeyRange, Row } from "./storage-engine.ts";

/** Rows that one step fetches at most. */
const pageRowsMax = 1024;

/** What a snapshot is made of. */
export interface RocksdbSnapshotParts {
  /** Makes an iterator over all of a column family; every call of one construction must see the same moment. */
  readonly iterator: (column: ColumnName, reverse: boolean) => RocksIterator;
  /** Throws when nothing may be read any more. */
  readonly check: () => void;
  /** Makes an error of what the binding throws. */
  readonly unreadable: (cause: unknown) => Error;
}

/** Iterators of one column family: forward, backward, and for single rows. */
type ColumnIterators = readonly [forward: MovedIterator, backward: MovedIterator, lookup: MovedIterator];

/**
 * A moment of the database. The binding has no snapshots, but an iterator sees the rows as they were when it was made: this
 * keeps some for each column family, and every reader moves them to where it reads.
 */
export class RocksdbSnapshot implements EngineSnapshot {
  readonly #parts: RocksdbSnapshotParts;
  readonly #iterators: Readonly<Record<ColumnName, ColumnIterators>>;
  readonly #closed: () => void;
  #closing: Promise<void> | undefined;

  /** `closed` is told when nothing may be read from it any more. */
  constructor(parts: RocksdbSnapshotParts, closed: () => void) {
    this.#parts = parts;
    const all = (column: ColumnName): ColumnIterators => [
      new MovedIterator(parts.iterator(column, false)),
      new MovedIterator(parts.iterator(column, true)),
      new MovedIterator(parts.iterator(column, false)),
    ];
    this.#iterators = { default: all("default"), log: all("log"), state: all("state") };
    this.#closed = closed;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#parts.check();
    try {
      return this.#iterators[columnOf(key)][2].valueAt(key);
    } catch (error) {
      throw this.#parts.unreadable(error);
    }
  }

  async *iterate(range: KeyRange, options: IterateOptions = {}): AsyncGenerator<readonly Row[]> {
    this.#parts.check();
    const { reverse = false, limit = Number.POSITIVE_INFINITY, pageBytes = 65_536 } = options;
    const segments = segmentsOf(range);
    if (reverse) segments.reverse();
    let left = limit;
    for (const segment of segments) {
      for await (const rows of this.#pages(segment, reverse, pageBytes)) {
        yield rows.length > left ? rows.slice(0, left) : rows;
        left -= rows.length;
        if (left <= 0) return;
      }
    }
  }

  close(): Promise<void> {
    this.#closed();
    const iterators = Object.values(this.#iterators).flat();
    this.#closing ??= Promise.all(iterators.map((iterator) => iterator.close())).then(() => {});
    return this.#closing;
  }

  async *#pages({ column, range }: Segment, reverse: boolean, pageBytes: number): AsyncGenerator<readonly Row[]> {
    const iterator = this.#iterators[column][reverse ? 1 : 0];
    let from = reverse ? range.end : range.start;
    for (;;) {
      const found = await iterator.rowsFrom(from, !reverse).catch((error: unknown) => {
        this.#parts.check();
        throw this.#parts.unreadable(error);
      });
      this.#parts.check();
      const page = firstBytes(
        found.filter(([key]) => isWithin(key, range)),
        pageBytes,
      );
      const last = page.at(-1);
      if (last === undefined) return;
      from = reverse ? Uint8Array.from(last[0]) : keyAfter(last[0]);
      yield page;
    }
  }
}

/** An iterator that several readers move about, one at a time. */
class MovedIterator {
  readonly #iterator: RocksIterator;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(iterator: RocksIterator) {
    this.#iterator = iterator;
  }

  /** The value under `key`; not to be mixed with {@link MovedIterator.rowsFrom}. */
  valueAt(key: Uint8Array): Uint8Array | undefined {
    this.#seek(key);
    const { rows } = this.#iterator._nextvSync(1, {});
    const [found, value] = rows;
    return found !== undefined && Buffer.compare(found, key) === 0 ? value : undefined;
  }

  /** The next rows from `key` on, itself `included` or not; none at the end. */
  rowsFrom(key: Uint8Array, included: boolean): Promise<readonly Row[]> {
    const rows = this.#turn.then(async () => {
      this.#seek(key);
      const page = await this.#iterator.nextv(pageRowsMax);
      const [first] = page;
      if (included || first === undefined || Buffer.compare(first[0], key) !== 0) return page;
      return page.length > 1 ? page.slice(1) : this.#iterator.nextv(pageRowsMax);
    });
    this.#turn = rows.catch(() => {});
    return rows;
  }

  close(): Promise<void> {
    return this.#iterator.close();
  }

  #seek(key: Uint8Array): void {
    this.#iterator.seek(seekable(key));
  }
}

/** The smallest key behind `key`; a copy, since what is yielded belongs to the caller. */
function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

/** The binding seeks to no empty key; it is the only key before this one, and no row of a store has it. */
function seekable(key: Uint8Array): Buffer {
  return key.length === 0 ? Buffer.of(0) : Buffer.from(key.buffer, key.byteOffset, key.length);
}

function isWithin(key: Uint8Array, { start, end }: KeyRange): boolean {
  return Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0;
}

function firstBytes(rows: readonly Row[], pageBytes: number): readonly Row[] {
  let bytes = 0;
  const last = rows.findIndex(([key, value]) => {
    bytes += key.length + value.length;
    return bytes >= pageBytes;
  });
  return last < 0 ? rows : rows.slice(0, last + 1);
}
