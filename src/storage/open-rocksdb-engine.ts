import { RaftKvError } from "../lib/errors.ts";
import { closeGivenUp } from "./close-after.ts";
import { currentManifest } from "./current-manifest.ts";
import { engineReason } from "./engine-reason.ts";
import { engineRefusal } from "./engine-refusal.ts";
import { moveEarlierRows } from "./rocksdb-earlier-rows.ts";
import { RocksdbEngine } from "./rocksdb-engine.ts";
import { checkRocksdbLogs } from "./rocksdb-log-check.ts";
import { type OpenDatabase, openDatabase } from "./rocksdb-open.ts";
import { RocksdbWriter } from "./rocksdb-writer.ts";
import type { StorageEngine } from "./storage-engine.ts";

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
    opened = await openInPlace(directory);
  } catch (cause) {
    if (cause instanceof RaftKvError) throw cause;
    throw engineRefusal("RocksDB", directory, cause);
  }
  try {
    return new RocksdbEngine(opened, await RocksdbWriter.start(opened.database.handle), directory);
  } catch (cause) {
    await closeGivenUp(opened.database);
    throw new RaftKvError(
      "DIRECTORY_UNUSABLE",
      `${directory}: RocksDB has no thread to write (${engineReason(cause)})`,
      {
        cause,
      },
    );
  }
}

/** Opens the database, with rows of an earlier version moved to where they stand now. Rejects as the binding does. */
async function openInPlace(directory: string): Promise<OpenDatabase> {
  const opened = await openDatabase(directory);
  try {
    if (!(await moveEarlierRows(opened))) return opened;
  } catch (cause) {
    await closeGivenUp(opened.database);
    throw cause;
  }
  // An open makes tables of what is in the write-ahead log, which would be kept for the removals otherwise.
  await opened.database.close();
  return openDatabase(directory);
}
