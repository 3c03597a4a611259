import { beginReadRound } from "./heartbeat.ts";
import { replicate } from "./leader.ts";
import { continueChange, promoteLearners } from "./membership.ts";
import type { RaftState } from "./raft-state.ts";
import { continueTransfer } from "./transfer.ts";

/** What a leader does in every turn, after it has taken in what happened. */
export function takeLeaderTurn(state: RaftState): void {
  continueChange(state);
  if (state.role !== "leader") return;
  if (state.transfer === null) promoteLearners(state);
  continueTransfer(state);
  beginReadRound(state);
  replicate(state);
}
