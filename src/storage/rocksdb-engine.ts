import type { Column, RocksIterator, RocksLevel } from "@nxtedition/rocksdb";
import { assert } from "../lib/assert.ts";
import { RaftKvError } from "../lib/errors.ts";
import { damaged } from "./damaged.ts";
import { engineReason } from "./engine-reason.ts";
import { engineWriteFailure } from "./engine-refusal.ts";
import { type ColumnName, columnOf, type Segment, segmentsOf } from "./rocksdb-columns.ts";
import { RocksdbSnapshot } from "./rocksdb-snapshot.ts";
import type { EngineSnapshot, IterateOptions, KeyRange, Row, RowChange, StorageEngine } from "./storage-engine.ts";
import { UseGuard } from "./use-guard.ts";

/** Rows that one iteration step fetches at most. */
const pageRowsMax = 1024;

/** How often something is made anew because a write came between: a write takes far longer than the making. */
const momentAttemptsMax = 1_000;

/** Bytes after which a step of a snapshot ends, however large its rows are. */
const snapshotStepBytes = 256 * 1024;

/** What the engine uses of a database; everything but the writing. */
export interface RocksdbReads {
  readonly database: Pick<RocksLevel, "sequence" | "iterator" | "_getManySync" | "close">;
  readonly columns: Readonly<Record<ColumnName, Column>>;
}

/** Who writes. Tasks may be under way at once; what is asked for first need not be durable first. */
export interface RocksdbWrites {
  /** Makes a batch durable; rejects when it failed, and its outcome is unknown then. */
  write(changes: readonly RowChange[]): Promise<void>;
  /** Removes every row of a part of a range. */
  clear(segment: Segment): Promise<void>;
  /** Ends after the tasks under way. */
  close(): Promise<void>;
}

/** RocksDB as an engine: rows in column families by their kind, ranges removed by a marker, iterators for snapshots. */
export class RocksdbEngine implements StorageEngine {
  readonly name = "rocksdb";
  readonly #opened: RocksdbReads;
  readonly #writer: RocksdbWrites;
  readonly #directory: string;
  readonly #guard: UseGuard;
  #closing: Promise<void> | undefined;

  /** `directory` names it in messages. */
  constructor(opened: RocksdbReads, writer: RocksdbWrites, directory: string) {
    this.#opened = opened;
    this.#writer = writer;
    this.#directory = directory;
    this.#guard = new UseGuard(`RocksDB in ${directory}`);
  }

  async write(changes: readonly RowChange[]): Promise<void> {
    this.#guard.check();
    try {
      await this.#writer.write(changes);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#guard.check();
    const { database, columns } = this.#opened;
    try {
      return database._getManySync([viewOf(key)], { column: columns[columnOf(key)] })[0];
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  async *iterate(range: KeyRange, options: IterateOptions = {}): AsyncGenerator<readonly Row[]> {
    this.#guard.check();
    const { reverse = false, limit = Number.POSITIVE_INFINITY } = options;
    const segments = segmentsOf(range);
    if (reverse) segments.reverse();
    const { iterators, close } = this.#atOneMoment(() =>
      iteratorsOf(segments.map((each) => this.#iterator(each, options))),
    );
    let left = limit;
    try {
      for (const iterator of iterators) {
        for await (const page of this.#pages(iterator, options.readAhead ?? false)) {
          yield page.length > left ? page.slice(0, left) : page;
          left -= page.length;
          if (left <= 0) return;
        }
      }
    } finally {
      await close();
    }
  }

  async clear(range: KeyRange): Promise<void> {
    this.#guard.check();
    try {
      for (const part of segmentsOf(range)) await this.#writer.clear(part);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  snapshot(): EngineSnapshot {
    this.#guard.check();
    return this.#atOneMoment(() => this.#makeSnapshot());
  }

  #makeSnapshot(): EngineSnapshot {
    // One each: a snapshot that is made again because a write came in between is closed.
    const guard = new UseGuard(`a snapshot of RocksDB in ${this.#directory}`);
    const iterator = (column: ColumnName, reverse: boolean): RocksIterator =>
      this.#opened.database.iterator({
        column: this.#opened.columns[column],
        reverse,
        fillCache: false,
        highWaterMarkBytes: snapshotStepBytes,
      });
    const check = (): void => {
      this.#guard.check();
      guard.check();
    };
    const parts = { iterator, check, unreadable: (cause: unknown) => this.#unreadable(cause) };
    return new RocksdbSnapshot(parts, () => guard.close());
  }

  close(): Promise<void> {
    this.#guard.close();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#writer.close();
    await this.#opened.database.close();
  }

  /** Makes what has to see one moment: made again while the writing thread comes in between. */
  #atOneMoment<T extends { close(): Promise<void> }>(make: () => T): T {
    for (let attempt = 1; ; attempt++) {
      assert(attempt <= momentAttemptsMax, () => `a write came between ${momentAttemptsMax} times`);
      const { sequence } = this.#opened.database;
      const made = make();
      if (this.#opened.database.sequence === sequence) return made;
      // Not awaited, since a caller waits; what does not close goes with the database.
      made.close().catch(() => {});
    }
  }

  #iterator({ column, range }: Segment, { reverse = false, limit, pageBytes = 65_536 }: IterateOptions): RocksIterator {
    return this.#opened.database.iterator({
      gte: viewOf(range.start),
      lt: viewOf(range.end),
      column: this.#opened.columns[column],
      reverse,
      highWaterMarkBytes: pageBytes,
      ...(limit !== undefined && { limit }),
    });
  }

  async *#pages(iterator: RocksIterator, readAhead: boolean): AsyncGenerator<readonly Row[]> {
    const fetch = (): Promise<readonly Row[] | RaftKvError> =>
      iterator.nextv(pageRowsMax).catch((error: unknown) => this.#unreadable(error));
    let next: ReturnType<typeof fetch> | undefined;
    for (;;) {
      const page = await (next ?? fetch());
      this.#guard.check();
      if (page instanceof RaftKvError) throw page;
      if (page.length === 0) return;
      if (readAhead) next = fetch();
      yield page;
    }
  }

  #failed(error: unknown): RaftKvError {
    return this.#guard.fail(engineWriteFailure("RocksDB", this.#directory, error));
  }

  #unreadable(cause: unknown): RaftKvError {
    return damaged(
      "STATE_CORRUPT",
      `${this.#directory}: RocksDB cannot read its tables (${engineReason(cause)})`,
      cause,
    );
  }
}

function iteratorsOf(iterators: readonly RocksIterator[]) {
  const close = async (): Promise<void> => {
    for (const iterator of iterators) await iterator.close();
  };
  return { iterators, close };
}

/** The same bytes as the binding wants them. */
function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
