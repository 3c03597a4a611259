import type { InflightLimits } from "./inflights.ts";

/** Linearizable reads without a round of messages (thesis, section 6.4.1). */
export interface LeaseOptions {
  /**
   * How far clocks may run apart: while the fastest clock of the cluster counts 1, the slowest counts at least 1 minus this.
   * From 0 to less than 1. A cluster with clocks beyond it may answer reads with old data.
   */
  readonly clockDriftMax: number;
}

/** Settings of the core; the same election timeout belongs on every member. */
export interface RaftOptions {
  /** A follower campaigns after hearing nothing for this long, up to twice this long, chosen at random. Milliseconds. */
  readonly electionTimeoutMs: number;
  /** A leader lets its followers hear from it this often. Milliseconds, well below the election timeout. */
  readonly heartbeatIntervalMs: number;
  /** Entries of one AppendEntries, bytes; one entry may be larger. */
  readonly appendBytesMax: number;
  /** What may be under way to one follower. */
  readonly inflight: InflightLimits;
  /** Own proposals not yet committed, or not yet durable here, bytes; over it proposals are refused. */
  readonly uncommittedBytesMax: number;
  /** Committed entries that a leader may have left to apply; over it proposals are refused. */
  readonly unappliedEntriesMax: number;
  /** Reads that may wait at the leader or for the leader; over it they are refused. */
  readonly pendingReadsMax: number;
  /** Entries that a learner may be behind when it is promoted. */
  readonly promotionLagMax: number;
  /**
   * Lets the leader answer reads while a quorum has promised to elect nobody else. `null`: every read is confirmed by a
   * round, and no clock is trusted.
   */
  readonly lease: LeaseOptions | null;
  /** Committed entries kept in memory, to be applied and for followers that are a little behind, bytes; older ones are read from the store. */
  readonly tailBytesMax: number;
}

/** Settings that fit members a millisecond or less apart. */
export const defaultRaftOptions: RaftOptions = {
  electionTimeoutMs: 500,
  heartbeatIntervalMs: 50,
  appendBytesMax: 1 << 20,
  inflight: { messages: 256, bytes: 8 << 20 },
  uncommittedBytesMax: 64 << 20,
  unappliedEntriesMax: 65_536,
  pendingReadsMax: 65_536,
  promotionLagMax: 1_000,
  lease: null,
  tailBytesMax: 16 << 20,
};
