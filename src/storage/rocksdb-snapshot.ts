import type { RocksIterator } from "@nxtedition/rocksdb";
import { type ColumnName, columnOf, type Segment, segmentsOf } from "./rocksdb-columns.ts";
import type { EngineSnapshot, IterateOptions, KeyRange, Row } from "./storage-engine.ts";

/** Rows that one step fetches at most. */
const pageRowsMax = 1024;

/** Rows that the first step of an iteration fetches, before it is known how large they are. */
const firstPageRows = 64;

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
      new MovedIterator(parts.iterator(column, false), false),
      new MovedIterator(parts.iterator(column, true), true),
      new MovedIterator(parts.iterator(column, false), false),
    ];
    this.#iterators = { log: all("log"), state: all("state") };
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
    let last: Uint8Array | undefined;
    let rowsMax = firstPageRows;
    for (;;) {
      const found = await iterator.rows(range, last, rowsMax).catch((error: unknown) => {
        this.#parts.check();
        throw this.#parts.unreadable(error);
      });
      this.#parts.check();
      const within = found.filter(([key]) => isWithin(key, range));
      const page = firstBytes(within, pageBytes);
      last = page.at(-1)?.[0].slice();
      if (last === undefined) return;
      rowsMax = rowsOfPage(page, pageBytes);
      yield page;
    }
  }
}

/** An iterator that several readers move about, one at a time. */
class MovedIterator {
  readonly #iterator: RocksIterator;
  readonly #reverse: boolean;
  /** Key of the row that it stands behind; `undefined` when it must be moved before it is read. */
  #last: Uint8Array | undefined;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(iterator: RocksIterator, reverse: boolean) {
    this.#iterator = iterator;
    this.#reverse = reverse;
  }

  /** The value under `key`; not to be mixed with {@link MovedIterator.rows}. */
  valueAt(key: Uint8Array): Uint8Array | undefined {
    this.#seek(key);
    const { rows } = this.#iterator._nextvSync(1, {});
    const [found, value] = rows;
    return found !== undefined && Buffer.compare(found, key) === 0 ? value : undefined;
  }

  /** The rows that come next after the one under `after`, or the first of the range; some may lie beyond it. */
  rows(range: KeyRange, after: Uint8Array | undefined, rowsMax: number): Promise<readonly Row[]> {
    const rows = this.#turn.then(async () => {
      const moved = after === undefined || this.#last === undefined || Buffer.compare(after, this.#last) !== 0;
      this.#last = undefined;
      if (moved) this.#seek(after ?? (this.#reverse ? range.end : range.start));
      let page = await this.#iterator.nextv(rowsMax);
      // A seek finds the key itself, which is read already, or, going down, is where the range ends.
      const bound = moved ? (after ?? (this.#reverse ? range.end : undefined)) : undefined;
      if (isKey(page[0]?.[0], bound)) page = page.length > 1 ? page.slice(1) : await this.#iterator.nextv(rowsMax);
      this.#last = page.at(-1)?.[0].slice();
      return page;
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

function isKey(found: Uint8Array | undefined, key: Uint8Array | undefined): boolean {
  return found !== undefined && key !== undefined && Buffer.compare(found, key) === 0;
}

/** The binding seeks to no empty key; it is the only key before this one, and no row of a store has it. */
function seekable(key: Uint8Array): Buffer {
  return key.length === 0 ? Buffer.of(0) : Buffer.from(key.buffer, key.byteOffset, key.length);
}

function isWithin(key: Uint8Array, { start, end }: KeyRange): boolean {
  return Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0;
}

/** About how many rows like these make a page: what is fetched beyond it would have to be fetched again. */
function rowsOfPage(page: readonly Row[], pageBytes: number): number {
  const bytes = page.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  return Math.max(1, Math.min(pageRowsMax, Math.ceil((pageBytes * page.length) / bytes)));
}

function firstBytes(rows: readonly Row[], pageBytes: number): readonly Row[] {
  let bytes = 0;
  const last = rows.findIndex(([key, value]) => {
    bytes += key.length + value.length;
    return bytes >= pageBytes;
  });
  return last < 0 ? rows : rows.slice(0, last + 1);
}
