import type { Column, OpenOptions, RocksLevel } from "@nxtedition/rocksdb";
import { RaftKvError } from "../lib/errors.ts";
import type { ColumnName } from "./rocksdb-columns.ts";

const mebibyte = 1024 * 1024;

/**
 * How the database is tuned. A memory budget makes memtables of a quarter of it, of which two are written as one table, so the
 * log and the state get 16 MiB each as with classic-level. "level" keeps the two upper levels as they are and compresses below
 * with Zstandard, where most bytes are and few are rewritten. Every table has a Bloom filter of ten bits a key (the binding's
 * default): a read of a missing key costs no block. The write-ahead log is not compressed: it is written once and read at a start
 * only. The family "default", which RocksDB insists on, has no rows (see rocksdb-earlier-rows.ts).
 */
const rocksdbOptions: OpenOptions = {
  createIfMissing: true,
  walCompression: false,
  columns: {
    default: { compaction: "level", memtableMemoryBudget: mebibyte, cacheSize: mebibyte, compression: false },
    log: { compaction: "level", memtableMemoryBudget: 64 * mebibyte, cacheSize: 8 * mebibyte, compression: false },
    state: { compaction: "level", memtableMemoryBudget: 64 * mebibyte, cacheSize: 32 * mebibyte, compression: false },
  },
};

/** A database that is open, with its column families as this thread calls them. */
export interface OpenDatabase {
  readonly database: RocksLevel;
  readonly columns: Readonly<Record<ColumnName, Column>>;
  /** The family "default", in which earlier versions kept some rows. */
  readonly earlierColumn: Column;
}

/** Opens a directory, or joins in with the thread whose handle it is. Rejects as the binding does, or with `CONFIG_INVALID`. */
export async function openDatabase(location: string | bigint): Promise<OpenDatabase> {
  const { RocksLevel } = await loadBinding();
  const database = new RocksLevel(location, { keyEncoding: "buffer", valueEncoding: "buffer" });
  await database.open(rocksdbOptions);
  const columnOf = (name: ColumnName | "default"): Column => {
    const column = database.columns[name];
    if (column === undefined) throw new Error(`column family ${name} is missing`);
    return column;
  };
  return {
    database,
    columns: { log: columnOf("log"), state: columnOf("state") },
    earlierColumn: columnOf("default"),
  };
}

async function loadBinding(): Promise<typeof import("@nxtedition/rocksdb")> {
  try {
    return await import("@nxtedition/rocksdb");
  } catch (cause) {
    const message =
      "storage engine rocksdb needs the optional package @nxtedition/rocksdb, which is not installed or has no binary for " +
      `${process.platform}-${process.arch}`;
    throw new RaftKvError("CONFIG_INVALID", message, { cause });
  }
}
