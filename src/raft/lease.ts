import type { HeartbeatResponse } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { quorumIndex } from "./quorum.ts";
import { configurationOf, type RaftState } from "./raft-state.ts";

//   leader     sends ├──── lease: promise x (1 - clockDriftMax) ────>|
//   follower      hears ├──── promise: no vote for an election timeout ────>|
//
// Nobody is elected without a voter of each quorum, so nobody commits anything that this leader does not know while a quorum
// keeps its promise (thesis, section 6.4.1). What counts is the promise made, not the one that the leader would make:
// members with other settings, or of other versions, then cost the lease and not the truth.

/** A gap between ticks beyond which this process did not run; longer ones count as no more than this. Milliseconds. */
export function standstillMs({ heartbeatIntervalMs }: RaftOptions): number {
  return 2 * heartbeatIntervalMs;
}

/** What this member promises to a leader whose heartbeat it answers, whole milliseconds; 0 unless leases are on. */
export function leasePromiseMs({ options }: RaftState): number {
  return options.lease === null ? 0 : Math.floor(options.electionTimeoutMs);
}

/**
 * Whether this member has promised a leader not to vote, and the time is not over. It is the time since any leader was heard,
 * whatever terms were met since; and since the start, because who it was heard before is forgotten.
 */
export function isBoundByPromise({ options, leaderSilenceMs }: RaftState): boolean {
  return options.lease !== null && leaderSilenceMs < options.electionTimeoutMs;
}

/** Notes that a round of heartbeats leaves. */
export function noteRound(state: RaftState): void {
  if (state.options.lease !== null) state.rounds.add(state.round, state.nowMs);
}

/** Takes a follower's promise, which counts from when the round that it answers was sent. */
export function notePromise(state: RaftState, progress: Progress, { round, promisedMs }: HeartbeatResponse): void {
  const { lease } = state.options;
  const sentMs = state.rounds.sentMs(round);
  if (lease === null || sentMs === undefined) return;
  progress.promisedUntilMs = Math.max(progress.promisedUntilMs, sentMs + promisedMs * (1 - lease.clockDriftMax));
}

/** Trusts no promise made so far: this process stood still. The next round brings new ones. */
export function forgetPromises(state: RaftState): void {
  state.rounds.clear();
  for (const progress of state.progress.values()) progress.promisedUntilMs = 0;
}

/**
 * Whether no other leader can have committed anything by now, so that the commit index is that of the cluster. `nowMs` is
 * the monotonic clock as it is, read after whatever is asked about came in.
 */
export function holdsLease(state: RaftState, nowMs: number): boolean {
  const { options, role, leaseVoid, lastTickMs } = state;
  if (options.lease === null || role !== "leader" || leaseVoid || state.commitIndex < state.leaderFirstIndex)
    return false;
  if (lastTickMs === null || nowMs - lastTickMs > standstillMs(options)) return false;
  // A leader votes for nobody while it leads.
  const untilMs = quorumIndex(configurationOf(state), (id) =>
    id === state.id ? Number.POSITIVE_INFINITY : (state.progress.get(id)?.promisedUntilMs ?? 0),
  );
  return nowMs < untilMs;
}
