import type { Column, RangeOptions, RocksIterator } from "@nxtedition/rocksdb";
import { packBatch, unpackBatch } from "../../src/storage/rocksdb-batch.ts";
import { columnNames, columnOf, type Segment } from "../../src/storage/rocksdb-columns.ts";
import type { RocksdbReads, RocksdbWrites } from "../../src/storage/rocksdb-engine.ts";
import type { KeyRange, Row, RowChange } from "../../src/storage/storage-engine.ts";
import type { SimDisk } from "./sim-disk.ts";

// What the engine for RocksDB stands on, over a simulated disk: its layout of rows, its batches, its removal of ranges and its
// snapshots run as they are. What is below is native code, and has tests of its own on real files.

/** What a simulated database needs of the process that has it open. */
export interface SimDatabasePorts {
  readonly disk: SimDisk;
  /** Lets as much time pass as a read of the disk takes. */
  readonly delay: () => Promise<void>;
  /** Makes something durable, as far as the disk does. */
  readonly land: (apply: () => void) => Promise<void>;
  /** A value as a read gives it. */
  readonly misread: (value: Uint8Array) => Uint8Array;
}

/** A database over a disk, and its writer. */
export function openSimDatabase(ports: SimDatabasePorts): {
  readonly reads: RocksdbReads;
  readonly writes: RocksdbWrites;
} {
  const { disk, misread } = ports;
  let sequence = 0;
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
    iterator: (options: RangeOptions) => new SimIterator(ports, columnRows(disk, options), options),
    _getManySync: (keys: readonly Uint8Array[], { column }: { readonly column: Column }) =>
      keys.map((key) => {
        const value = columns[columnOf(key)] === column ? disk.rows.get(key) : undefined;
        return value === undefined ? undefined : misread(Uint8Array.from(value));
      }),
    close: async () => {},
  };
  return {
    reads: { database, columns: columns as RocksdbReads["columns"] },
    writes: {
      write: (changes) => watched(land(() => disk.apply(repacked(changes)))),
      clear: (segment) => watched(land(() => disk.apply(removalOf(disk, segment)))),
      async close() {
        await Promise.allSettled(underWay);
      },
    },
  };

  function columnRows(from: SimDisk, { column, gte, lt, reverse = false }: RangeOptions): Row[] {
    const rows = from.rows.snapshot().filter(([key]) => columns[columnOf(key)] === column && isWithin(key, gte, lt));
    return reverse ? rows.reverse() : rows;
  }
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
function removalOf(disk: SimDisk, { column, range }: Segment): RowChange[] {
  return rowsWithin(disk.rows.snapshot(), range)
    .filter(([key]) => columnOf(key) === column)
    .map(([key]) => ({ type: "delete", key }));
}

function rowsWithin(rows: readonly Row[], { start, end }: KeyRange): readonly Row[] {
  return rows.filter(([key]) => isWithin(key, start, end));
}

function isWithin(key: Uint8Array, start: Uint8Array | undefined, end: Uint8Array | undefined): boolean {
  return (
    (start === undefined || Buffer.compare(key, start) >= 0) && (end === undefined || Buffer.compare(key, end) < 0)
  );
}

/** An iterator over the rows of one moment, in its own order. */
class SimIterator implements RocksIterator {
  readonly #ports: SimDatabasePorts;
  readonly #rows: readonly Row[];
  readonly #options: RangeOptions;
  #at = 0;
  #left: number;
  #closed = false;

  constructor(ports: SimDatabasePorts, rows: readonly Row[], options: RangeOptions) {
    this.#ports = ports;
    this.#rows = rows;
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
    return { rows: rows.flat(), finished: this.#at >= this.#rows.length };
  }

  seek(target: Uint8Array): void {
    const sign = this.#options.reverse === true ? -1 : 1;
    const at = this.#rows.findIndex(([key]) => sign * Buffer.compare(key, target) >= 0);
    this.#at = at < 0 ? this.#rows.length : at;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #next(count: number): [Uint8Array, Uint8Array][] {
    const { highWaterMarkBytes = Number.POSITIVE_INFINITY } = this.#options;
    const page: [Uint8Array, Uint8Array][] = [];
    let bytes = 0;
    while (page.length < count && bytes <= highWaterMarkBytes && this.#left > 0) {
      const row = this.#rows[this.#at];
      if (row === undefined) break;
      const [key, value] = row;
      page.push([Uint8Array.from(key), this.#ports.misread(Uint8Array.from(value))]);
      bytes += key.length + value.length;
      this.#at++;
      this.#left--;
    }
    return page;
  }
}
