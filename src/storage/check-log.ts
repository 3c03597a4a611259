import type { Index } from "../raft/entry.ts";
import { checkLoneRecord, type LogTail } from "./log-record.ts";
import { logKey, logKeyIndex, logRange } from "./row-keys.ts";
import type { Row, RowReader } from "./storage-engine.ts";
import { checkRow } from "./verify-log.ts";

/** Told of each damage, and of bytes as they are read. */
export interface CheckListener {
  damaged(what: string): void;
  read(bytes: number): void;
}

const pageBytes = 512 * 1024;

/**
 * Looks at every record after `base` and tells everything that is wrong, where verifying ends at the first. Returns how many
 * records there are. Rejects when the engine cannot read on.
 */
export async function checkLog(rows: RowReader, base: LogTail, listener: CheckListener): Promise<number> {
  let count = 0;
  // What the next record has to follow; without a checksum after one that is damaged itself.
  let before: LogTail | { readonly index: Index } = base;
  const range = { start: logKey(base.index + 1), end: logRange.end };
  for await (const page of rows.iterate(range, { pageBytes, readAhead: true })) {
    for (const row of page) {
      count += 1;
      listener.read(row[1].length);
      before = checkNext(row, before, listener);
    }
  }
  return count;
}

function checkNext(row: Row, before: LogTail | { readonly index: Index }, listener: CheckListener) {
  const index = logKeyIndex(row[0]);
  if (index === undefined) {
    listener.damaged(`log row with key ${Buffer.from(row[0]).toString("hex")} is damaged: its key is no index`);
    return before;
  }
  const follows = index === before.index + 1;
  if (!follows) {
    const missing =
      index - 1 === before.index + 1 ? `entry ${index - 1} is` : `entries ${before.index + 1} to ${index - 1} are`;
    listener.damaged(`log ${missing} missing`);
  }
  try {
    return follows && "checksum" in before ? checkRow(row, before) : checkLoneRecord(row[1], index);
  } catch (error) {
    listener.damaged(messageOf(error));
    // A record that only does not follow may still be what the next one follows.
    return loneTail(row[1], index) ?? { index };
  }
}

function loneTail(record: Uint8Array, index: Index): LogTail | undefined {
  try {
    return checkLoneRecord(record, index);
  } catch {
    return undefined;
  }
}

/** What a damage is told as. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
