import { invariant } from "./assert.ts";
import type { MemberId } from "./configuration.ts";
import type { Term } from "./entry.ts";
import { enterTerm, type RaftState, resetElectionTimer } from "./raft-state.ts";

/**
 * Becomes a follower of `leaderId` (`null` while unknown) in `term`, which may be the present one. A new term takes the
 * vote back; reads that wait for the leader of before are given up.
 */
export function becomeFollower(state: RaftState, term: Term, leaderId: MemberId | null): void {
  invariant(term >= state.term, () => `term ${term} follows term ${state.term}`);
  if (term > state.term) enterTerm(state, term, null);
  const leaderChanged = state.leaderId !== leaderId;
  const wasFollower = state.role === "follower";
  state.role = "follower";
  state.leaderId = leaderId;
  state.votes.clear();
  state.progress.clear();
  state.uncommittedBytes = 0;
  state.transfer = null;
  if (!wasFollower || leaderChanged) {
    resetElectionTimer(state);
    abandonReads(state);
  }
}

/** Gives up every read that waits: its confirmation would come from a leader of before. */
export function abandonReads(state: RaftState): void {
  for (const origin of state.reads.clear()) {
    if (origin.type === "local") state.readStates.push({ context: origin.context, index: null });
  }
  for (const read of state.forwardedReads.values()) state.readStates.push({ context: read.context, index: null });
  state.forwardedReads.clear();
}
