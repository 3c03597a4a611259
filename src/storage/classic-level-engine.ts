import { ClassicLevel } from "classic-level";
import { RaftKvError } from "../lib/errors.ts";
import { checkLevelLogs } from "./level-log-check.ts";
import { checkLevelTables } from "./level-table-check.ts";
import type { IterateOptions, KeyRange, Row, RowChange, StorageEngine } from "./storage-engine.ts";
import { UseGuard } from "./use-guard.ts";

type Database = ClassicLevel<Uint8Array, Uint8Array>;

/** Sizes of the engine, bytes. */
export interface ClassicLevelOptions {
  /**
   * What gathers in memory, and in the engine's own log, before it becomes a table. Up to two of these are held, and all of
   * it is read again at the next start. Default 16 MiB: at full load four times fewer tables than with LevelDB's 4 MiB, so
   * that writers do not wait for compaction, and a tenth of a second to read again.
   */
  readonly writeBufferBytes?: number;
  /** Blocks kept for reads. Default 32 MiB: point reads of a hot set come from memory, and an idle member stays small. */
  readonly cacheBytes?: number;
}

/** Rows that one iteration step fetches at most; the engine reserves room for as many. */
const pageRowsMax = 1024;

/**
 * Opens LevelDB in `directory`, which must not be open anywhere else: the caller holds the lock.
 *
 * Rejects with `LOG_CORRUPT` when a write is missing from the middle of LevelDB's own log, with `STATE_CORRUPT` when a table
 * is damaged, and with `DIRECTORY_UNUSABLE` when LevelDB itself refuses. Every write is synced: a synced write does not make earlier unsynced ones durable.
 */
export async function openClassicLevelEngine(
  directory: string,
  options: ClassicLevelOptions = {},
): Promise<StorageEngine> {
  await checkLevelTables(directory);
  await checkLevelLogs(directory);
  const database: Database = new ClassicLevel(directory, { keyEncoding: "view", valueEncoding: "view" });
  try {
    await database.open({
      writeBufferSize: options.writeBufferBytes ?? 16 * 1024 * 1024,
      cacheSize: options.cacheBytes ?? 32 * 1024 * 1024,
      // Fewer and larger tables: ten million pairs stay well below the limit on open files.
      maxFileSize: 8 * 1024 * 1024,
      // Blocks that are checked before LevelDB opens are read as they are; values are the users' to compress.
      compression: false,
    });
  } catch (cause) {
    throw new RaftKvError("DIRECTORY_UNUSABLE", `${directory}: LevelDB does not open (${reasonOf(cause)})`, { cause });
  }
  return new ClassicLevelEngine(database, directory);
}

class ClassicLevelEngine implements StorageEngine {
  readonly name = "classic-level";
  readonly #database: Database;
  readonly #directory: string;
  readonly #guard: UseGuard;
  #closing: Promise<void> | undefined;

  constructor(database: Database, directory: string) {
    this.#database = database;
    this.#directory = directory;
    this.#guard = new UseGuard(`LevelDB in ${directory}`);
  }

  async write(changes: readonly RowChange[]): Promise<void> {
    this.#guard.check();
    try {
      await writeBatch(this.#database, changes);
    } catch (error) {
      throw this.#guard.fail(error);
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#guard.check();
    try {
      return this.#database.getSync(key);
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  async *iterate({ start, end }: KeyRange, options: IterateOptions = {}): AsyncGenerator<readonly Row[]> {
    this.#guard.check();
    const { reverse = false, limit = -1, pageBytes = 65_536, readAhead = false } = options;
    const iterator = this.#database.iterator({ gte: start, lt: end, reverse, limit, highWaterMarkBytes: pageBytes });
    const fetch = (): Promise<readonly Row[] | RaftKvError> =>
      iterator.nextv(pageRowsMax).catch((error: unknown) => this.#unreadable(error));
    try {
      let next: ReturnType<typeof fetch> | undefined;
      for (;;) {
        const page = await (next ?? fetch());
        this.#guard.check();
        if (page instanceof RaftKvError) throw page;
        if (page.length === 0) return;
        if (readAhead) next = fetch();
        yield page;
      }
    } finally {
      await iterator.close();
    }
  }

  async clear(range: KeyRange): Promise<void> {
    // Not the database's own clear, which does not sync.
    for await (const page of this.iterate(range)) {
      await this.write(page.map(([key]) => ({ type: "delete", key })));
    }
  }

  close(): Promise<void> {
    this.#guard.close();
    this.#closing ??= this.#database.close();
    return this.#closing;
  }

  #unreadable(cause: unknown): RaftKvError {
    const message = `${this.#directory}: LevelDB cannot read its tables (${reasonOf(cause)})`;
    return new RaftKvError("STATE_CORRUPT", message, { cause });
  }
}

function writeBatch(database: Database, changes: readonly RowChange[]): Promise<void> {
  const batch = database.batch();
  for (const change of changes) {
    if (change.type === "put") batch.put(change.key, change.value);
    else batch.del(change.key);
  }
  return batch.write({ sync: true });
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
