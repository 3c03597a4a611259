import { isBoundByPromise } from "./lease.ts";
import type { Message, RequestVoteRequest } from "./message.ts";
import { type RaftState, send } from "./raft-state.ts";
import { becomeFollower } from "./step-down.ts";

/**
 * Whether a message of a higher term is to be looked at further; adopts its term where that is due (Raft paper, section
 * 5.1). While a leader is heard, nobody else's election is (stickiness: thesis, section 4.2.3), and a pre-vote asks about
 * a term without anybody entering it.
 */
export function meetHigherTerm(state: RaftState, message: Message): boolean {
  if (message.type === "RequestVoteRequest") {
    const hearsLeader = state.leaderId !== null && state.electionElapsedMs < state.options.electionTimeoutMs;
    if ((hearsLeader || isBoundByPromise(state)) && !message.leadershipTransfer) return false;
    if (message.preVote) return true;
  }
  if (message.type === "RequestVoteResponse" && message.preVote && message.granted) return true;
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : null);
  return true;
}

/** Answers a sender that is behind, so that it learns the term: a deposed leader would otherwise never hear of it. */
export function answerLowerTerm(state: RaftState, message: Message): void {
  const { id: from, term } = state;
  const to = message.from;
  if (message.type === "RequestVoteRequest") {
    send(state, { type: "RequestVoteResponse", from, to, term, granted: false, preVote: message.preVote });
  } else if (isFromLeader(message)) {
    send(state, { type: "HeartbeatResponse", from, to, term, round: 0, promisedMs: 0 });
  }
}

function isFromLeader({ type }: Message): boolean {
  return type === "AppendEntriesRequest" || type === "HeartbeatRequest" || type === "InstallSnapshotRequest";
}

/** Whether a message asks about a term that nobody has entered yet. */
export function isPreVoteRequest(message: Message): message is RequestVoteRequest {
  return message.type === "RequestVoteRequest" && message.preVote;
}
