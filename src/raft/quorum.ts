import type { Configuration, MemberId } from "./configuration.ts";
import type { Index } from "./entry.ts";

/** How a vote stands. */
export type VoteResult = "won" | "lost" | "pending";

/** Fewest of `count` voters that share a member with every other such set. */
export function majority(count: number): number {
  return Math.floor(count / 2) + 1;
}

/** Whether those of whom `holds` is true decide: a majority of each half (thesis, section 4.3). */
export function hasQuorum(configuration: Configuration, holds: (id: MemberId) => boolean): boolean {
  return (
    hasMajority(configuration.voters, holds) &&
    (configuration.outgoingVoters.length === 0 || hasMajority(configuration.outgoingVoters, holds))
  );
}

/** Highest index that a quorum has, given what each member has durably (Raft paper, section 5.3); or any number that only grows. */
export function quorumIndex(configuration: Configuration, matchIndex: (id: MemberId) => Index): Index {
  const incoming = majorityIndex(configuration.voters, matchIndex);
  if (configuration.outgoingVoters.length === 0) return incoming;
  return Math.min(incoming, majorityIndex(configuration.outgoingVoters, matchIndex));
}

/** How a vote stands, given who granted, refused or has not answered. Answers of non-voters do not count. */
export function voteResult(configuration: Configuration, votes: ReadonlyMap<MemberId, boolean>): VoteResult {
  if (hasQuorum(configuration, (id) => votes.get(id) === true)) return "won";
  return hasQuorum(configuration, (id) => votes.get(id) !== false) ? "pending" : "lost";
}

function hasMajority(voters: readonly MemberId[], holds: (id: MemberId) => boolean): boolean {
  let count = 0;
  for (const id of voters) if (holds(id)) count++;
  return count >= majority(voters.length);
}

function majorityIndex(voters: readonly MemberId[], matchIndex: (id: MemberId) => Index): Index {
  const descending = voters.map(matchIndex).sort((a, b) => b - a);
  return descending[majority(voters.length) - 1] ?? 0;
}
