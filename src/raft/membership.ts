import { isJoint, isVoter, type MemberId } from "./configuration.ts";
import {
  enterChange,
  leaveJoint,
  type MembershipTarget,
  targetOf,
  targetProblem,
  withPromoted,
} from "./configuration-change.ts";
import type { Index } from "./entry.ts";
import { handOver } from "./hand-over.ts";
import { appendConfiguration, matchProgressToConfiguration, replicate, tellCommit } from "./leader.ts";
import { hasQuorum } from "./quorum.ts";
import { configurationOf, type RaftState } from "./raft-state.ts";

//   {a, b, c} --propose--> joint {b, c, d} + {a, b, c} --committed--> {b, c, d} --committed--> a steps down, if it led

/** Why a change of membership was not begun; nothing was appended. */
export type ChangeRefusal =
  | "NOT_LEADER"
  /** One change at a time, and none before an entry of the leader's own term is committed (trap: Ongaro, 2015). */
  | "CONFIG_CHANGE_IN_PROGRESS"
  /** Leadership is on its way to another member, who can be asked next. */
  | "TRANSFER_IN_PROGRESS"
  /** The configuration is not the one that the caller had looked at. */
  | "CONFIGURATION_CHANGED"
  /** The voters that would be left have no majority that is heard from. */
  | "QUORUM_AT_RISK"
  /** The learner to be promoted is too far behind. */
  | "LEARNER_NOT_READY"
  | "TARGET_INVALID";

/** Begins a change towards `target`; returns the index of its first entry, or why it was refused. */
export function changeMembership(
  state: RaftState,
  target: MembershipTarget,
  expectedIndex: Index | null,
): Index | ChangeRefusal {
  if (state.role !== "leader") return "NOT_LEADER";
  if (state.transfer !== null) return "TRANSFER_IN_PROGRESS";
  const { index, configuration } = state.configurations.current;
  if (index > state.commitIndex || isJoint(configuration) || state.commitIndex < state.leaderFirstIndex) {
    return "CONFIG_CHANGE_IN_PROGRESS";
  }
  if (expectedIndex !== null && expectedIndex !== index) return "CONFIGURATION_CHANGED";
  if (targetProblem(configuration, target) !== undefined) return "TARGET_INVALID";
  const promoted = target.voters.filter((id) => configuration.learners.includes(id));
  if (!promoted.every((id) => isCaughtUp(state, id))) return "LEARNER_NOT_READY";
  const next = enterChange(configuration, target);
  if (!hasQuorum({ ...next, outgoingVoters: [] }, (id) => isHeard(state, id))) return "QUORUM_AT_RISK";
  return appendConfiguration(state, next);
}

/** Whether a member was heard from lately enough to count on it. */
function isHeard(state: RaftState, id: MemberId): boolean {
  return id === state.id || state.progress.get(id)?.isHeard(state.nowMs, state.options.electionTimeoutMs) === true;
}

/**
 * Goes on with the change in force once it is committed: leaves a joint configuration, hands over when the leader is no
 * voter any more. The next leader does the same, so that a change begun is ended whoever leads.
 */
export function continueChange(state: RaftState): void {
  const { index, configuration } = state.configurations.current;
  if (state.role !== "leader" || index > state.commitIndex || state.commitIndex < state.leaderFirstIndex) return;
  if (isJoint(configuration)) {
    appendConfiguration(state, leaveJoint(configuration));
  } else if (!isVoter(configuration, state.id)) {
    handOver(state);
  } else if (state.progress.size > configuration.members.length - 1) {
    // Who was removed is told that it is, and then left alone.
    replicate(state);
    tellCommit(state);
    matchProgressToConfiguration(state);
  }
}

/** Promotes one learner that has caught up and is meant to become a voter. */
export function promoteLearners(state: RaftState): void {
  const configuration = configurationOf(state);
  for (const id of configuration.learners) {
    const member = configuration.members.find((each) => each.id === id);
    if (member?.keepLearner === true || !isCaughtUp(state, id)) continue;
    if (typeof changeMembership(state, withPromoted(targetOf(configuration), id), null) === "number") return;
  }
}

/**
 * Whether a learner could vote without holding the cluster up: it is heard, few entries behind, and took the last round of
 * entries in less than an election timeout (thesis, section 4.2.1).
 */
function isCaughtUp(state: RaftState, id: MemberId): boolean {
  const progress = state.progress.get(id);
  if (progress?.state !== "replicate" || !progress.roundTaken || !isHeard(state, id)) return false;
  return state.log.lastIndex - progress.matchIndex <= state.options.promotionLagMax;
}
