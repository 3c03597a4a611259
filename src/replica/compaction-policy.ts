import type { Index } from "../raft/entry.ts";

/** When a member's log is compacted, and how much of it stays. */
export interface CompactionOptions {
  /** Entries in the log over which it is compacted. Default 100,000. */
  readonly logEntriesMax: number;
  /** Bytes of log over which it is compacted. Default 256 MiB. */
  readonly logBytesMax: number;
  /** Time after which the log is compacted although it is over no limit, milliseconds; 0: never. Default 1 h. */
  readonly intervalMs: number;
  /**
   * Applied entries that a compaction keeps, for followers that are a little behind; never more than half of the entries and
   * half of the bytes at which the log is compacted. Default 50,000.
   */
  readonly trailingEntries: number;
  /** Bytes of log over which nothing more is kept for a follower that is fetching a snapshot. Default 1 GiB. */
  readonly pinnedBytesMax: number;
}

/** The limits where nothing else is said. */
export const defaultCompactionOptions: CompactionOptions = {
  logEntriesMax: 100_000,
  logBytesMax: 256 << 20,
  intervalMs: 3_600_000,
  trailingEntries: 50_000,
  pinnedBytesMax: 1 << 30,
};

/** Why a log was compacted. */
export type CompactionReason = "entries" | "bytes" | "interval" | "request";

/** What a decision to compact rests on. */
export interface LogFacts {
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  /** Last entry whose effects are durable in the state: nothing after it is ever forgotten. */
  readonly appliedIndex: Index;
  readonly sizeBytes: number;
  /** Entries after this one are kept for a follower that is fetching a snapshot; `null` when none is. */
  readonly pinnedIndex: Index | null;
  /** Since the last compaction, or the start. */
  readonly ageMs: number;
}

/** A compaction that is to be made. */
export interface CompactionPlan {
  readonly reason: CompactionReason;
  /** Last entry to forget. */
  readonly to: Index;
}

/** Share of a limit that a compaction has to make free, so that a log that is over it is not compacted for every entry. */
const gainMin = 0.1;

/** The compaction that is due; `null` when none is, or when none would help now. */
export function planCompaction(facts: LogFacts, options: CompactionOptions): CompactionPlan | null {
  const to = compactionTarget(facts, options.trailingEntries, options);
  const entries = facts.lastIndex - facts.firstIndex + 1;
  const gain = to - facts.firstIndex + 1;
  if (gain <= 0) return null;
  if (entries > options.logEntriesMax && gain >= gainMin * options.logEntriesMax) return { reason: "entries", to };
  const gainBytes = gain * entryBytesOf(facts);
  if (facts.sizeBytes > options.logBytesMax && gainBytes >= gainMin * options.logBytesMax)
    return { reason: "bytes", to };
  return options.intervalMs > 0 && facts.ageMs >= options.intervalMs ? { reason: "interval", to } : null;
}

/**
 * Up to where a log can be compacted, keeping `trailingEntries` behind the applied index; below `firstIndex` when there is
 * nothing to forget. Bytes are taken from the average of the log: after a compaction it is looked at again.
 */
export function compactionTarget(facts: LogFacts, trailingEntries: number, options: CompactionOptions): Index {
  const { appliedIndex, sizeBytes, pinnedIndex } = facts;
  const kept = Math.min(trailingEntries, options.logEntriesMax / 2, options.logBytesMax / 2 / entryBytesOf(facts));
  const target = appliedIndex - Math.floor(kept);
  return pinnedIndex === null || sizeBytes > options.pinnedBytesMax ? target : Math.min(target, pinnedIndex);
}

function entryBytesOf({ firstIndex, lastIndex, sizeBytes }: LogFacts): number {
  return Math.max(1, sizeBytes / Math.max(1, lastIndex - firstIndex + 1));
}
