import { defaultRaftOptions, type RaftOptions } from "../raft/options.ts";
import { type CompactionOptions, defaultCompactionOptions } from "./compaction-policy.ts";
import { defaultIntegrityOptions, type IntegrityOptions } from "./integrity-options.ts";
import { defaultSnapshotOptions, type SnapshotOptions } from "./snapshot-options.ts";

/** Settings of a replica. */
export interface ReplicaOptions {
  readonly raft: RaftOptions;
  /** Proposals that may wait, in whatever state; over it new ones are refused. */
  readonly pendingProposalsMax: number;
  /** Bytes of commands that may wait, in whatever state; over it new ones are refused. */
  readonly pendingProposalBytesMax: number;
  /** Linearizable reads that may wait; over it new ones are refused. */
  readonly pendingReadsMax: number;
  /** Administrative calls of one kind that may wait: compactions, openings of the state, hashes; over it new ones are refused. */
  readonly pendingAdministrationMax: number;
  /** How long a proposal or read is held while no leader is known, before it fails with NO_LEADER. Milliseconds. */
  readonly leaderWaitMs: number;
  /** Bytes of state over which it may not grow any more; the same on every member that may lead. */
  readonly quotaBytes: number;
  /** How often the core hears the clock, milliseconds; well below the heartbeat interval. */
  readonly tickIntervalMs: number;
  /** A disk write that takes this long stops the member, milliseconds: a disk that stands still is not waited for. */
  readonly writeStallMsMax: number;
  /** State rows that may wait for the next log write, bytes; over it they are written on their own. */
  readonly waitingRowBytesMax: number;
  /** How long state rows may wait for the next log write, milliseconds. */
  readonly waitingRowsMs: number;
  /** Entries applied in one turn before others get theirs. */
  readonly applyEntriesMax: number;
  /** Bytes of results after which applying pauses too, so that answers leave before more of them gather. */
  readonly applyResultBytesMax: number;
  /** Bytes of entries read from the store at once. */
  readonly readBytesMax: number;
  /** When the log is compacted. */
  readonly compaction: CompactionOptions;
  /** How snapshots are sent and fetched. */
  readonly snapshot: SnapshotOptions;
  /** When the members' states are compared. */
  readonly integrity: IntegrityOptions;
}

/** Settings that fit members a millisecond or less apart. */
export const defaultReplicaOptions: ReplicaOptions = {
  raft: defaultRaftOptions,
  pendingProposalsMax: 100_000,
  pendingProposalBytesMax: 64 << 20,
  pendingReadsMax: 100_000,
  pendingAdministrationMax: 256,
  leaderWaitMs: 1_000,
  quotaBytes: 8_589_934_592,
  tickIntervalMs: 10,
  writeStallMsMax: 30_000,
  waitingRowBytesMax: 8 << 20,
  waitingRowsMs: 500,
  applyEntriesMax: 512,
  applyResultBytesMax: 4 << 20,
  readBytesMax: 1 << 20,
  compaction: defaultCompactionOptions,
  snapshot: defaultSnapshotOptions,
  integrity: defaultIntegrityOptions,
};
