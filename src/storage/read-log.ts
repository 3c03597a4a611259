import { assert } from "../lib/assert.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { Entry, Index } from "../raft/entry.ts";
import { checkLoneRecord, damagedEntry, decodeRecord, type LogTail } from "./log-record.ts";
import { logKey, logRecords } from "./row-keys.ts";
import type { RowReader } from "./storage-engine.ts";
import { checkRow } from "./verify-log.ts";

/** What part of a log may be read. */
export interface LogBounds {
  /** What stands before the first entry. */
  readonly base: LogTail;
  readonly lastIndex: Index;
}

const pageBytesMax = 1024 * 1024;

/**
 * Reads entries `from` to `to`, at least one and then while their records stay within `bytesMax`; checks each record and
 * that it follows the one before it. Commands are views into what the engine handed out. Rejects with `LOG_RANGE` and
 * `LOG_CORRUPT`.
 */
export async function readLog(
  engine: RowReader,
  { base, lastIndex }: LogBounds,
  from: Index,
  to: Index,
  bytesMax: number,
): Promise<Entry[]> {
  assert(from <= to, () => `entries ${from} to ${to} are no range`);
  if (from <= base.index || to > lastIndex) {
    throw new RaftKvError("LOG_RANGE", `entries ${from} to ${to} are not within ${base.index + 1} to ${lastIndex}`);
  }
  const entries: Entry[] = [];
  let bytes = 0;
  let tail = from === base.index + 1 ? base : readTail(engine, from - 1);
  for await (const page of engine.iterate(logRecords(from, to), { pageBytes: Math.min(bytesMax, pageBytesMax) })) {
    for (const row of page) {
      bytes += row[1].length;
      if (bytes > bytesMax && entries.length > 0) return entries;
      tail = checkRow(row, tail);
      entries.push(decodeRecord(row[1], tail));
    }
  }
  if (tail.index !== to) throw damagedEntry(tail.index + 1, "it is missing");
  return entries;
}

/** Reads one record for what follows it. Throws `LOG_CORRUPT`. */
export function readTail(engine: RowReader, index: Index): LogTail {
  const record = engine.get(logKey(index));
  if (record === undefined) throw damagedEntry(index, "it is missing");
  return checkLoneRecord(record, index);
}
