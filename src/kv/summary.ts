import { fromBinary } from "@bufbuild/protobuf";
import { StateSummarySchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { rowWriter, uint64Field } from "./wire.ts";

/** The state as a whole: what one row holds and every command rewrites. */
export interface Summary {
  /** Revision of the last change. */
  revision: bigint;
  /** Log time, milliseconds since 1970. Invariant: never runs back. */
  timeMs: number;
  keys: number;
  /** Bytes of keys and values. */
  sizeBytes: number;
  /** Live sessions. Invariant: as many session rows and expiry rows. */
  sessions: number;
  /** Ended sessions that are remembered. Their places are the last so many up to `sessionsEndedTotal`. */
  endedSessions: number;
  sessionsOpenedTotal: number;
  sessionsEndedTotal: number;
  /** Ended sessions with answer rows still to be removed. Their places are the last so many up to `leftoversTotal`. */
  leftovers: number;
  leftoversTotal: number;
  /** Log time at which the oldest remembered ended session ended; 0 when `endedSessions` is 0. */
  oldestEndedMs: number;
}

/** The summary of a state in which nothing has happened. */
export const emptySummary: Readonly<Summary> = Object.freeze({
  revision: 0n,
  timeMs: 0,
  keys: 0,
  sizeBytes: 0,
  sessions: 0,
  endedSessions: 0,
  sessionsOpenedTotal: 0,
  sessionsEndedTotal: 0,
  leftovers: 0,
  leftoversTotal: 0,
  oldestEndedMs: 0,
});

/** Decodes the summary row; `undefined`, no row, is the empty state. */
export function decodeSummary(row: Uint8Array | undefined): Summary {
  if (row === undefined) return { ...emptySummary };
  const message = fromBinary(StateSummarySchema, row);
  return {
    revision: message.revision,
    timeMs: Number(message.timeMs),
    keys: Number(message.keys),
    sizeBytes: Number(message.sizeBytes),
    sessions: Number(message.sessions),
    endedSessions: Number(message.endedSessions),
    sessionsOpenedTotal: Number(message.sessionsOpenedTotal),
    sessionsEndedTotal: Number(message.sessionsEndedTotal),
    leftovers: Number(message.leftovers),
    leftoversTotal: Number(message.leftoversTotal),
    oldestEndedMs: Number(message.oldestEndedMs),
  };
}

/** Encodes the summary row, a `StateSummary`. */
export function encodeSummary(summary: Readonly<Summary>): Uint8Array {
  uint64Field(rowWriter, 1, summary.revision);
  uint64Field(rowWriter, 2, summary.timeMs);
  uint64Field(rowWriter, 3, summary.keys);
  uint64Field(rowWriter, 4, summary.sizeBytes);
  uint64Field(rowWriter, 5, summary.sessions);
  uint64Field(rowWriter, 6, summary.endedSessions);
  uint64Field(rowWriter, 7, summary.sessionsOpenedTotal);
  uint64Field(rowWriter, 8, summary.sessionsEndedTotal);
  uint64Field(rowWriter, 9, summary.leftovers);
  uint64Field(rowWriter, 10, summary.leftoversTotal);
  uint64Field(rowWriter, 11, summary.oldestEndedMs);
  return rowWriter.finish();
}
