import type { MemberId } from "./configuration.ts";
import { noteRound } from "./lease.ts";
import type { Progress } from "./progress.ts";
import type { RaftState } from "./raft-state.ts";
import { confirmReads } from "./reads.ts";

/** Begins a heartbeat round, which also confirms the reads gathered so far. */
export function broadcastHeartbeats(state: RaftState): void {
  state.heartbeatElapsedMs = 0;
  state.round++;
  noteRound(state);
  if (state.commitIndex >= state.leaderFirstIndex) state.reads.beginRound(state.round, state.commitIndex);
  for (const [id, progress] of state.progress) sendHeartbeat(state, id, progress);
  confirmReads(state);
}

/** Tells one follower that the leader lives, and how much of what it is known to have is committed. */
export function sendHeartbeat(state: RaftState, to: MemberId, progress: Progress): void {
  const commitIndex = Math.min(progress.matchIndex, state.commitIndex);
  progress.sentCommitIndex = Math.max(progress.sentCommitIndex, commitIndex);
  const { id: from, term, round } = state;
  state.messages.push({ type: "HeartbeatRequest", from, to, term, commitIndex, round });
}

/** Starts a round for the reads that have gathered, unless one is under way or nothing of this term is committed yet. */
export function beginReadRound(state: RaftState): void {
  if (!state.reads.hasGathered || state.reads.roundUnderWay || state.commitIndex < state.leaderFirstIndex) return;
  broadcastHeartbeats(state);
}
