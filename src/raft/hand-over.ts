import { replicate, tellCommit } from "./leader.ts";
import type { RaftState } from "./raft-state.ts";
import { becomeFollower } from "./step-down.ts";
import { bestVoter, sendTimeoutNow } from "./transfer.ts";

/** Leads no longer: sends what there is, asks the best of the other voters to campaign, and becomes a follower at once. */
export function handOver(state: RaftState): void {
  replicate(state);
  tellCommit(state);
  const best = bestVoter(state);
  if (best !== null) sendTimeoutNow(state, best);
  becomeFollower(state, state.term, null);
}
