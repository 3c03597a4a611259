import type { Index } from "../raft/entry.ts";
import type { LogTail } from "./log-record.ts";
import { readTail } from "./read-log.ts";
import { logKey, logRecords } from "./row-keys.ts";
import type { RowChange, RowReader } from "./storage-engine.ts";

/** Records that one batch removes at most, unless told otherwise; about a megabyte of keys. */
export const truncationStepMax = 65_536;

/** Removal of the last records of a log. */
export interface Truncation {
  readonly deletes: readonly RowChange[];
  /** What the log ends with afterwards. */
  readonly tail: LogTail;
  readonly removedBytes: number;
}

/** Plans the removal of records `first` to `last`, which end the log that begins after `base`. */
export async function planTruncation(engine: RowReader, base: LogTail, first: Index, last: Index): Promise<Truncation> {
  const tail = first === base.index + 1 ? base : readTail(engine, first - 1);
  const deletes: RowChange[] = [];
  for (let index = first; index <= last; index += 1) deletes.push({ type: "delete", key: logKey(index) });
  let removedBytes = 0;
  for await (const page of engine.iterate(logRecords(first, last))) {
    for (const [, record] of page) removedBytes += record.length;
  }
  return { deletes, tail, removedBytes };
}
