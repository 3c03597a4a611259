import type { ConfigurationEntry, Index } from "../raft/entry.ts";
import { checkRecord, damagedEntry, decodeRecord, isConfigurationRecord, type LogTail } from "./log-record.ts";
import { LogSize } from "./log-size.ts";
import type { TermRun } from "./member-store.ts";
import { logKey, logKeyIndex, logRange } from "./row-keys.ts";
import type { Row, RowReader } from "./storage-engine.ts";

/** What the verification of a log found out on its way. */
export interface VerifiedLog {
  readonly tail: LogTail;
  readonly termRuns: readonly TermRun[];
  readonly configurationEntries: readonly ConfigurationEntry[];
  readonly size: LogSize;
  /** The entry at the index that was asked for; `undefined` when it is not in the log any more. */
  readonly mark: LogTail | undefined;
}

/** Bytes of a page: large enough that waiting costs nothing beside the checksums, small enough to hold nothing up. */
const pageBytes = 512 * 1024;

/**
 * Reads every record after `base` and checks checksum, chain, contiguity and that terms never decrease.
 * Rejects with `LOG_CORRUPT`, naming the first index at which something is wrong and what. `markIndex` is an entry to
 * report on the way.
 */
export async function verifyLog(engine: RowReader, base: LogTail, markIndex: Index): Promise<VerifiedLog> {
  const termRuns: TermRun[] = [];
  const configurationEntries: ConfigurationEntry[] = [];
  let tail = base;
  const size = new LogSize(base.index);
  let mark = markIndex === base.index ? base : undefined;
  const range = { start: logKey(base.index + 1), end: logRange.end };
  for await (const page of engine.iterate(range, { pageBytes, readAhead: true })) {
    for (const row of page) {
      const next = checkRow(row, tail);
      if (next.term !== tail.term || termRuns.length === 0) {
        termRuns.push({ firstIndex: next.index, term: next.term });
      }
      if (next.index === markIndex) mark = next;
      const entry = isConfigurationRecord(row[1]) ? decodeRecord(row[1], next) : undefined;
      if (entry?.kind === "configuration") configurationEntries.push(entry);
      size.append(next.index, row[1].length);
      tail = next;
    }
  }
  return { tail, termRuns, configurationEntries, size, mark };
}

/** Checks that a row is the record that follows `tail`. Throws `LOG_CORRUPT`. */
export function checkRow([key, record]: Row, tail: LogTail): LogTail {
  const index = logKeyIndex(key);
  if (index === tail.index + 1) return checkRecord(record, tail);
  throw damagedEntry(
    tail.index + 1,
    index === undefined ? "its key is no index" : `it is missing, ${index} comes next`,
  );
}
