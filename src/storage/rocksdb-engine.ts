import type { RocksIterator } from "@nxtedition/rocksdb";
import { RaftKvError } from "../lib/errors.ts";
import { currentManifest } from "./current-manifest.ts";
import { damaged } from "./damaged.ts";
import { engineReason, engineRefusal } from "./engine-refusal.ts";
import { type ColumnName, columnOf, type Segment, segmentsOf } from "./rocksdb-columns.ts";
import { checkRocksdbLogs } from "./rocksdb-log-check.ts";
import { type OpenDatabase, openDatabase } from "./rocksdb-open.ts";
import { RocksdbSnapshot } from "./rocksdb-snapshot.ts";
import { RocksdbWriter } from "./rocksdb-writer.ts";
import type { EngineSnapshot, IterateOptions, KeyRange, Row, RowChange, StorageEngine } from "./storage-engine.ts";
import { UseGuard } from "./use-guard.ts";

/** Rows that one iteration step fetches at most. */
const pageRowsMax = 1024;

/** Bytes after which a step of a snapshot ends, however large its rows are. */
const snapshotStepBytes = 256 * 1024;

/**
 * Opens RocksDB in `directory`, which must not be open anywhere else: the caller holds the lock. Writes run in a thread of
 * their own that shares the database, because the binding writes and syncs without giving up the thread.
 *
 * Rejects with `LOG_CORRUPT` when a write is missing from the middle of RocksDB's own log, with `STATE_CORRUPT` when RocksDB finds
 * its manifest or another of its files damaged, with `DIRECTORY_UNUSABLE` when it does not open for another reason, and with
 * `CONFIG_INVALID` where the optional package is not installed.
 */
export async function openRocksdbEngine(directory: string): Promise<StorageEngine> {
  await currentManifest(directory);
  await checkRocksdbLogs(directory);
  let opened: OpenDatabase;
  try {
    opened = await openDatabase(directory);
  } catch (cause) {
    if (cause instanceof RaftKvError) throw cause;
    throw engineRefusal("RocksDB", directory, cause);
  }
  try {
    return new RocksdbEngine(opened, await RocksdbWriter.start(opened.database.handle), directory);
  } catch (cause) {
    await opened.database.close();
    throw new RaftKvError(
      "DIRECTORY_UNUSABLE",
      `${directory}: RocksDB has no thread to write (${engineReason(cause)})`,
      {
        cause,
      },
    );
  }
}

class RocksdbEngine implements StorageEngine {
  readonly name = "rocksdb";
  readonly #opened: OpenDatabase;
  readonly #writer: RocksdbWriter;
  readonly #directory: string;
  readonly #guard: UseGuard;
  #closing: Promise<void> | undefined;

  constructor(opened: OpenDatabase, writer: RocksdbWriter, directory: string) {
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
      throw this.#guard.fail(error);
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
      throw this.#guard.fail(error);
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
    for (;;) {
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
