import { ClassicLevel } from "classic-level";
import type { RaftKvError } from "../lib/errors.ts";
import { clearStepRowsMax } from "./clear-in-steps.ts";
import { engineRefusal, engineWriteFailure } from "./engine-refusal.ts";
import { checkLevelLogs } from "./level-log-check.ts";
import { type LevelDatabase, LevelRows, type LevelSnapshot } from "./level-rows.ts";
import { checkLevelTables } from "./level-table-check.ts";
import type {
  ClearOptions,
  EngineSnapshot,
  IterateOptions,
  KeyRange,
  Row,
  RowChange,
  StorageEngine,
} from "./storage-engine.ts";
import { UseGuard } from "./use-guard.ts";

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

/** Space is given back after so many rows: a close waits for one piece at most, a second or two of LevelDB's own thread. */
const reclaimPieceRows = 131_072;

/**
 * Opens LevelDB in `directory`, which must not be open anywhere else: the caller holds the lock.
 *
 * Rejects with `LOG_CORRUPT` when a write is missing from the middle of LevelDB's own log, with `STATE_CORRUPT` when a table
 * or another of its files is damaged, and with `DIRECTORY_UNUSABLE` when LevelDB does not open for another reason. Every write
 * is synced: a synced write does not make earlier unsynced ones durable.
 */
export async function openClassicLevelEngine(
  directory: string,
  options: ClassicLevelOptions = {},
): Promise<StorageEngine> {
  await checkLevelTables(directory);
  await checkLevelLogs(directory);
  const database: LevelDatabase = new ClassicLevel(directory, { keyEncoding: "view", valueEncoding: "view" });
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
    throw engineRefusal("LevelDB", directory, cause);
  }
  return new ClassicLevelEngine(database);
}

class ClassicLevelEngine implements StorageEngine {
  readonly name = "classic-level";
  readonly #database: LevelDatabase;
  readonly #guard: UseGuard;
  readonly #rows: LevelRows;
  #closing: Promise<void> | undefined;

  constructor(database: LevelDatabase) {
    this.#database = database;
    this.#guard = new UseGuard(`LevelDB in ${database.location}`);
    this.#rows = new LevelRows(database, undefined, () => this.#guard.check());
  }

  async write(changes: readonly RowChange[]): Promise<void> {
    this.#guard.check();
    try {
      await writeBatch(this.#database, changes);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(key);
  }

  iterate(range: KeyRange, options?: IterateOptions): AsyncIterable<readonly Row[]> {
    return this.#rows.iterate(range, options);
  }

  async clear(range: KeyRange, { reclaim = false }: ClearOptions = {}): Promise<void> {
    let piece: { readonly start: Uint8Array; rows: number } = { start: range.start, rows: 0 };
    // Not the database's own clear, which does not sync.
    for await (const keys of this.#rows.keys(range, clearStepRowsMax)) {
      await this.write(keys.map((key) => ({ type: "delete", key })));
      const last = keys.at(-1) ?? range.end;
      piece.rows += keys.length;
      if (!reclaim || piece.rows < reclaimPieceRows) continue;
      await this.#reclaim(piece.start, last);
      piece = { start: last, rows: 0 };
    }
    if (reclaim && piece.rows > 0) await this.#reclaim(piece.start, range.end);
  }

  snapshot(): EngineSnapshot {
    this.#guard.check();
    return new ClassicLevelSnapshot(this.#database, this.#guard);
  }

  close(): Promise<void> {
    this.#guard.close();
    this.#closing ??= this.#database.close();
    return this.#closing;
  }

  #failed(error: unknown): RaftKvError {
    return this.#guard.fail(engineWriteFailure("LevelDB", this.#database.location, error));
  }

  /** Removed rows stay in the tables below until something else makes LevelDB merge those, which may be never. */
  async #reclaim(start: Uint8Array, end: Uint8Array): Promise<void> {
    this.#guard.check();
    try {
      await this.#database.compactRange(start, end);
    } catch (error) {
      throw this.#failed(error);
    }
  }
}

class ClassicLevelSnapshot implements EngineSnapshot {
  readonly #snapshot: LevelSnapshot;
  readonly #rows: LevelRows;
  readonly #guard: UseGuard;
  #closing: Promise<void> | undefined;

  constructor(database: LevelDatabase, engineGuard: UseGuard) {
    this.#snapshot = database.snapshot();
    this.#guard = new UseGuard(`a snapshot of LevelDB in ${database.location}`);
    this.#rows = new LevelRows(database, this.#snapshot, () => {
      engineGuard.check();
      this.#guard.check();
    });
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#rows.get(key);
  }

  iterate(range: KeyRange, options?: IterateOptions): AsyncIterable<readonly Row[]> {
    return this.#rows.iterate(range, options);
  }

  close(): Promise<void> {
    this.#guard.close();
    this.#closing ??= this.#rows.closeIterators().then(() => this.#snapshot.close());
    return this.#closing;
  }
}

function writeBatch(database: LevelDatabase, changes: readonly RowChange[]): Promise<void> {
  const batch = database.batch();
  for (const change of changes) {
    if (change.type === "put") batch.put(change.key, change.value);
    else batch.del(change.key);
  }
  return batch.write({ sync: true });
}
