import { allVoters, isVoter } from "./configuration.ts";
import { becomeLeader } from "./leader.ts";
import { isBoundByPromise } from "./lease.ts";
import type { RequestVoteRequest, RequestVoteResponse, TimeoutNowRequest } from "./message.ts";
import { voteResult } from "./quorum.ts";
import {
  configurationOf,
  enterTerm,
  isHardStateDurable,
  isSelfVoter,
  type RaftState,
  resetElectionTimer,
  send,
  sendWhenDurable,
} from "./raft-state.ts";
import { abandonReads, becomeFollower } from "./step-down.ts";

//   follower --timeout--> preCandidate --quorum would vote--> candidate --quorum voted--> leader
//       ^                      |                                 |
//       +----- refused --------+------------- refused -----------+

/** Asks whether an election could be won, without disturbing anybody (thesis, section 9.6). */
export function campaign(state: RaftState): void {
  // A candidate whose own vote is still being written would only leave its election for one that is as slow.
  const voteUnderWay = state.role === "candidate" && !isHardStateDurable(state);
  const cannotLead = !mayLead(state) || hasUnappliedConfiguration(state) || state.installing !== null;
  if (cannotLead || voteUnderWay || state.diskStalled || isBoundByPromise(state)) {
    if (state.role === "follower") forgetLeader(state);
    resetElectionTimer(state);
    return;
  }
  state.role = "preCandidate";
  state.leaderId = null;
  abandonReads(state);
  resetElectionTimer(state);
  state.elections.preVotesStarted++;
  state.votes = new Map([[state.id, true]]);
  askForVotes(state, true);
  settleElection(state);
}

/**
 * The leader was not heard for an election timeout. Who can do nothing about it, such as a learner, must not wait for it
 * either: the next leader may be a member that only those let in who follow nobody.
 */
function forgetLeader(state: RaftState): void {
  state.leaderId = null;
  abandonReads(state);
}

/** The leader asks this member to take over: no pre-vote, and no stickiness on the way (thesis, section 3.10). */
export function handleTimeoutNowRequest(state: RaftState, request: TimeoutNowRequest): void {
  if (state.role === "leader" || request.term !== state.term || state.installing !== null) return;
  // A configuration is in force before it is applied. A leader that was removed asks right after telling that its removal
  // is committed, so that it is never applied by then.
  if (!isSelfVoter(state) || state.diskStalled) return;
  state.leaderId = null;
  abandonReads(state);
  campaignForReal(state, true);
}

/** Campaigns in a new term; its own vote counts when it is durable ({@link ownVoteDurable}). */
function campaignForReal(state: RaftState, leadershipTransfer = false): void {
  state.role = "candidate";
  enterTerm(state, state.term + 1, state.id);
  resetElectionTimer(state);
  state.elections.votesStarted++;
  state.votes = new Map();
  askForVotes(state, false, leadershipTransfer);
}

/** The candidate's own vote is durable, so it counts. */
export function ownVoteDurable(state: RaftState): void {
  if (state.role !== "candidate" || state.durableHardState.term !== state.term) return;
  if (state.votes.has(state.id)) return;
  state.votes.set(state.id, true);
  settleElection(state);
}

/** Answers a request for a vote or a pre-vote (Raft paper, sections 5.2 and 5.4.1). Its term is not above ours, unless a pre-vote. */
export function handleRequestVoteRequest(state: RaftState, request: RequestVoteRequest): void {
  const candidate = { index: request.lastLogIndex, term: request.lastLogTerm };
  const upToDate = state.log.isUpToDate(candidate);
  if (request.preVote) {
    const granted = upToDate && request.term > state.term;
    // A granted pre-vote speaks of the term asked about; a refusal tells ours, so that the asker can catch up with it.
    respond(state, request, granted, granted ? request.term : state.term);
    return;
  }
  const free = state.votedFor === request.from || (state.votedFor === null && state.leaderId === null);
  // The term may be known already, by somebody else's message.
  const bound = isBoundByPromise(state) && !request.leadershipTransfer;
  const granted = request.term === state.term && free && upToDate && !bound;
  if (granted) {
    state.votedFor = request.from;
    state.electionElapsedMs = 0;
  }
  respond(state, request, granted, state.term);
}

function respond(state: RaftState, request: RequestVoteRequest, granted: boolean, term: number): void {
  const { from, preVote } = request;
  const response = { type: "RequestVoteResponse", from: state.id, to: from, term, granted, preVote } as const;
  if (granted && !preVote) sendWhenDurable(state, response);
  else send(state, response);
}

/** Counts an answer to the election under way; answers to earlier ones change nothing. */
export function handleRequestVoteResponse(state: RaftState, response: RequestVoteResponse): void {
  const expected = state.role === "preCandidate" ? true : state.role === "candidate" ? false : undefined;
  if (response.preVote !== expected) return;
  const electionTerm = response.preVote ? state.term + 1 : state.term;
  if (response.granted && response.term !== electionTerm) return;
  if (!state.votes.has(response.from)) state.votes.set(response.from, response.granted);
  settleElection(state);
}

function settleElection(state: RaftState): void {
  const result = voteResult(configurationOf(state), state.votes);
  if (result === "pending") return;
  if (result === "lost") {
    becomeFollower(state, state.term, null);
  } else if (state.role === "preCandidate") {
    campaignForReal(state);
  } else {
    state.elections.won++;
    becomeLeader(state);
  }
}

function askForVotes(state: RaftState, preVote: boolean, leadershipTransfer = false): void {
  for (const voter of allVoters(configurationOf(state))) {
    if (voter === state.id) continue;
    const request: RequestVoteRequest = {
      type: "RequestVoteRequest",
      from: state.id,
      to: voter,
      term: preVote ? state.term + 1 : state.term,
      lastLogIndex: state.log.lastIndex,
      lastLogTerm: state.log.lastTerm,
      preVote,
      leadershipTransfer,
    };
    if (preVote) send(state, request);
    else sendWhenDurable(state, request);
  }
}

/**
 * Whether this member has a vote, or had one before a configuration that is not known to be committed. Such a member may be
 * the only one with that configuration whom the others can elect, so it campaigns though its own vote does not count
 * (thesis, section 4.2.2).
 */
function mayLead(state: RaftState): boolean {
  const { index, configuration } = state.configurations.current;
  if (isVoter(configuration, state.id)) return true;
  return index > state.commitIndex && isVoter(state.configurations.at(index - 1).configuration, state.id);
}

/** Whether a committed configuration still waits to be applied: its members may not all be known yet. */
function hasUnappliedConfiguration(state: RaftState): boolean {
  const { index } = state.configurations.current;
  return index > state.appliedIndex && index <= state.commitIndex;
}
