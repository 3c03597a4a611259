import type { MemberId } from "../raft/configuration.ts";
import type { CompactionReason } from "./compaction-policy.ts";

/** How a proposal ended, as the metrics tell it. */
export type ProposalMetricResult = "applied" | "dropped" | "timeout" | "overloaded";
/** What kind of election this member started. */
export type ElectionKind = "pre_vote" | "vote" | "transfer";
/** How an election that this member started ended; one that ran out of time is lost. */
export type ElectionResult = "won" | "lost";
/** How the confirmation of a linearizable read ended. */
export type ReadIndexMetricResult = "ok" | "timeout" | "no_leader";
/** How the transfer of a snapshot ended. */
export type SnapshotMetricResult = "installed" | "abandoned";
/** How the comparison of the members' states at a checkpoint ended, as this member sees it. */
export type HashMetricResult = "agreed" | "outvoted" | "split" | "unfinished";
/** What confirms linearizable reads: a round of heartbeats, or the leader's lease. */
export type ReadConfirmation = "round" | "lease";
/** How a command that was forwarded to the leader ended. */
export type ForwardedMetricResult = "applied" | "dropped" | "unknown";

/**
 * What a replica tells as it happens; figures that can be looked up at any time are pulled from its status instead.
 * Durations are seconds. No method throws, and each costs a microsecond or two: call them per turn, not per entry.
 */
export interface ReplicaMetrics {
  /** One write to the log, its sync included. */
  writeDuration(seconds: number): void;
  /** Bytes that a write added to the log. */
  writtenBytes(bytes: number): void;
  /** Entries in one append to the log. */
  batchEntries(count: number): void;
  /** From proposal to commit on the leader; one sample a turn (the oldest proposal of the batch) is enough. */
  commitDuration(seconds: number): void;
  /** Applying one batch to the state machine. */
  applyDuration(seconds: number): void;
  /** How late a heartbeat left the leader. */
  heartbeatDelay(seconds: number): void;
  /** Confirming and catching up for one linearizable read. */
  readIndexDuration(seconds: number): void;
  /** Proposals that ended. `count` defaults to 1. */
  proposals(result: ProposalMetricResult, count?: number): void;
  /** Linearizable reads that ended. `count` defaults to 1. */
  readIndex(result: ReadIndexMetricResult, count?: number): void;
  /** Reads confirmed at this leader, of its own and its followers'; those of one turn of a member are confirmed as one. */
  readsConfirmed(by: ReadConfirmation, count: number): void;
  /** A read was served under a lease that was over when it had been, so that it is to be asked anew. */
  leaseLapsed(): void;
  /** Commands forwarded to the leader that ended. `count` defaults to 1. */
  forwarded(result: ForwardedMetricResult, count?: number): void;
  /** An election that this member started ended. */
  election(kind: ElectionKind, result: ElectionResult): void;
  /** Another leader than before was heard of. */
  leaderChange(): void;
  /** From an append message to its answer. */
  peerRoundTrip(peer: MemberId, seconds: number): void;
  /** The log was compacted: entries forgotten, and how long it took until that was durable. */
  compaction(reason: CompactionReason, entries: number, seconds: number): void;
  /** Bytes of rows given to a member that fetches a snapshot. */
  snapshotSentBytes(bytes: number): void;
  /** A snapshot is not kept any more: its receiver has it, or has not asked for rows for long. */
  snapshotSent(result: SnapshotMetricResult, seconds: number): void;
  /** Bytes of rows that arrived of a snapshot. */
  snapshotReceivedBytes(bytes: number): void;
  /** The fetching of a snapshot ended; of one that was resumed, the time since then. */
  snapshotReceived(result: SnapshotMetricResult, seconds: number): void;
  /** Rows of the state and entries of the log were read back, and their checksums are right. */
  scrubbed(read: { readonly rows: number; readonly entries: number; readonly bytes: number }): void;
  /** All of state and log was read back. */
  scrubEnded(seconds: number): void;
  /** The members' states at a checkpoint were compared. */
  hashCompared(result: HashMetricResult): void;
}

const nothing = () => {};

/** Metrics that nobody looks at, for tests and the simulator. */
export const silentMetrics: ReplicaMetrics = {
  writeDuration: nothing,
  writtenBytes: nothing,
  batchEntries: nothing,
  commitDuration: nothing,
  applyDuration: nothing,
  heartbeatDelay: nothing,
  readIndexDuration: nothing,
  proposals: nothing,
  readIndex: nothing,
  readsConfirmed: nothing,
  leaseLapsed: nothing,
  forwarded: nothing,
  election: nothing,
  leaderChange: nothing,
  peerRoundTrip: nothing,
  compaction: nothing,
  snapshotSentBytes: nothing,
  snapshotSent: nothing,
  snapshotReceivedBytes: nothing,
  snapshotReceived: nothing,
  scrubbed: nothing,
  scrubEnded: nothing,
  hashCompared: nothing,
};
