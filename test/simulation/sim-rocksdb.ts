import type { Column, RangeOptions, RocksIterator } from "@nxtedition/rocksdb";
import { firstRowFrom, rowsWithin } from "../../src/storage/memory-engine.ts";
import { packBatch, unpackBatch } from "../../src/storage/rocksdb-batch.ts";
import { columnNames, columnOf, type Segment } from "../../src/storage/rocksdb-columns.ts";
import type { RocksdbReads, RocksdbWrites } from "../../src/storage/rocksdb-engine.ts";
import { everyRow } from "../../src/storage/row-keys.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import type { EngineRows } from "./disk-rows.ts";

// What the engine for RocksDB stands on, over a simulated disk: its layout of rows, its batches, its removal of ranges and its
// snapshots run as they are. What is below is native code, and has tests of its own on real files.

/** One batch of so many crosses over in the form of the thread that writes; with the others, time is spent on the rest of a run. */
const packedEvery = 8;

/** What a simulated database needs of the process that has it open. */
export interface SimDatabasePorts {
  readonly over: EngineRows;
  /** Lets as much time pass as a read of the disk takes. */
  readonly delay: () => Promise<void>;
  /** Makes something durable, as far as the disk does. */
  readonly land: (apply: () => void) => Promise<void>;
  /** A value as a read gives it. */
  readonly misread: (value: Uint8Array) => Uint8Array;
}

/** A database over rows of a disk, and its writer. */
export function openSimDatabase(ports: SimDatabasePorts): {
  readonly reads: RocksdbReads;
  readonly writes: RocksdbWrites;
} {
  const { over, misread } = ports;
  let sequence = 0;
  let batches = 0;
  const land = (apply: () => void): Promise<void> =>
    ports.land(() => {
      sequence++;
      apply();
    });
  const underWay = new Set<Promise<void>>();
  const watched = async (task: Promise<void>): Promise<void> => {
    underWay.add(task);
    try {
      await task;
    } finally {
      underWay.delete(task);
    }
  };
  const columns = Object.fromEntries(columnNames.map((name) => [name, { name }]));
  const database = {
    get sequence() {
      return sequence;
    },
    iterator(options: RangeOptions) {
      const { column, gte, lt } = options;
      const ranges = gte !== undefined || lt !== undefined;
      const rows = ranges
        ? over.rows.within({ start: gte ?? everyRow.start, end: lt ?? everyRow.end })
        : over.rows.snapshot();
      return new SimIterator(ports, () => rows.filter(([key]) => columns[columnOf(key)] === column), options);
    },
    _getManySync: (keys: readonly Uint8Array[], { column }: { readonly column: Column }) =>
      keys.map((key) => {
        const value = columns[columnOf(key)] === column ? over.rows.get(key) : undefined;
        return value === undefined ? undefined : misread(Buffer.from(value));
      }),
    close: async () => {},
  };
  return {
    reads: { database, columns: columns as RocksdbReads["columns"] },
    writes: {
      write(changes) {
        const crosses = batches++ % packedEvery === 0;
        return watched(land(() => over.apply(crosses ? repacked(changes) : changes)));
      },
      clear: (segment) => watched(land(() => over.apply(removalOf(over, segment)))),
      async close() {
        await Promise.allSettled(underWay);
      },
    },
  };
}

/** The changes as they come out of the form in which they cross over to the thread that writes. */
function repacked(changes: readonly RowChange[]): RowChange[] {
  const unpacked: RowChange[] = [];
  const inColumn = (key: Uint8Array, column: string): Uint8Array => {
    if (columnOf(key) !== column) throw new Error(`a row of column family ${columnOf(key)} was packed for ${column}`);
    return key;
  };
  unpackBatch(packBatch(changes), {
    put: (key, value, column) => unpacked.push({ type: "put", key: inColumn(key, column), value }),
    delete: (key, column) => unpacked.push({ type: "delete", key: inColumn(key, column) }),
  });
  return unpacked;
}

/** What a marker over a range takes away at the moment when it is durable. */
function removalOf({ rows }: EngineRows, { column, range }: Segment): RowChange[] {
  return rowsWithin(rows.snapshot(), range)
    .filter(([key]) => columnOf(key) === column)
    .map(([key]) => ({ type: "delete", key }));
}

/** An iterator over the rows of one moment, in its own order. */
class SimIterator implements RocksIterator {
  readonly #ports: SimDatabasePorts;
  readonly #load: () => readonly Row[];
  readonly #options: RangeOptions;
  /** In the order of their keys; not looked for until they are asked for, since of a snapshot's iterators few ever are. */
  #loaded: readonly Row[] | undefined;
  /** Rows that lie behind, in the iterator's own order. */
  #passed = 0;
  #left: number;
  #closed = false;

  constructor(ports: SimDatabasePorts, load: () => readonly Row[], options: RangeOptions) {
    this.#ports = ports;
    this.#load = load;
    this.#options = options;
    this.#left = options.limit ?? Number.POSITIVE_INFINITY;
  }

  async nextv(count: number): Promise<[Uint8Array, Uint8Array][]> {
    await this.#ports.delay();
    if (this.#closed) throw new Error("Iterator is not open");
    return this.#next(count);
  }

  _nextvSync(count: number): { readonly rows: readonly Uint8Array[]; readonly finished: boolean } {
    const rows = this.#next(count);
    return { rows: rows.flat(), finished: this.#passed >= this.#rows.length };
  }

  seek(target: Uint8Array): void {
    const rows = this.#rows;
    const at = firstRowFrom(rows, target);
    const found = rows[at];
    const upTo = found !== undefined && Buffer.compare(found[0], target) === 0 ? at + 1 : at;
    this.#passed = this.#options.reverse === true ? rows.length - upTo : at;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  get #rows(): readonly Row[] {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  #next(count: number): [Uint8Array, Uint8Array][] {
    const { highWaterMarkBytes = Number.POSITIVE_INFINITY, reverse = false } = this.#options;
    const rows = this.#rows;
    const page: [Uint8Array, Uint8Array][] = [];
    let bytes = 0;
    while (page.length < count && bytes <= highWaterMarkBytes && this.#left > 0) {
      const row = rows[reverse ? rows.length - 1 - this.#passed : this.#passed];
      if (row === undefined) break;
      const [key, value] = row;
      page.push([Buffer.from(key), this.#ports.misread(Buffer.from(value))]);
      bytes += key.length + value.length;
      this.#passed++;
      this.#left--;
    }
    return page;
  }
}
