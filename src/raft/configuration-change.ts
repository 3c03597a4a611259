import { type Configuration, type ConfigurationMember, isJoint, type MemberId } from "./configuration.ts";

/** Who is to take part when a change is over. */
export interface MembershipTarget {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** Every member named above, in any order. */
  readonly members: readonly ConfigurationMember[];
}

/** What the configuration comes to when no change is under way. */
export function targetOf({ voters, outgoingVoters, learners, nextLearners, members }: Configuration): MembershipTarget {
  return outgoingVoters.length === 0
    ? { voters, learners, members }
    : { voters, learners: [...learners, ...nextLearners], members };
}

/** `target` with one more learner. */
export function withLearner(target: MembershipTarget, member: ConfigurationMember): MembershipTarget {
  return { ...target, learners: [...target.learners, member.id], members: [...target.members, member] };
}

/** `target` with a learner made a voter. */
export function withPromoted(target: MembershipTarget, id: MemberId): MembershipTarget {
  return { ...target, voters: [...target.voters, id], learners: without(target.learners, id) };
}

/** `target` without a member. */
export function withRemoved(target: MembershipTarget, id: MemberId): MembershipTarget {
  return { ...target, voters: without(target.voters, id), learners: without(target.learners, id) };
}

/**
 * First step from `current` towards `target`: a joint configuration when the voters change, so that no two majorities can
 * decide apart (thesis, section 4.3); the target itself when only learners do.
 */
export function enterChange(current: Configuration, target: MembershipTarget): Configuration {
  const voters = ordered(target.voters);
  if (sameIds(voters, current.voters)) {
    return withMembers(
      { voters, outgoingVoters: [], learners: ordered(target.learners), nextLearners: [] },
      target.members,
    );
  }
  const stays = (id: MemberId): boolean => current.voters.includes(id);
  return withMembers(
    {
      voters,
      outgoingVoters: current.voters,
      // An outgoing voter cannot be a learner yet: it still votes.
      learners: ordered(target.learners.filter((id) => !stays(id))),
      nextLearners: ordered(target.learners.filter(stays)),
    },
    [...current.members, ...target.members],
  );
}

/** Second step: what follows a joint configuration once it is committed. */
export function leaveJoint(joint: Configuration): Configuration {
  const learners = ordered([...joint.learners, ...joint.nextLearners]);
  return withMembers({ voters: joint.voters, outgoingVoters: [], learners, nextLearners: [] }, joint.members);
}

/** Why `target` cannot follow `current`, whatever the state of the cluster; `undefined` when it can. */
export function targetProblem(current: Configuration, target: MembershipTarget): string | undefined {
  if (isJoint(current)) return "a change is under way";
  if (target.voters.length === 0) return "no voter would be left";
  const named = [...target.voters, ...target.learners];
  if (new Set(named).size !== named.length) return "a member is named twice";
  const stranger = named.find((id) => !target.members.some((member) => member.id === id));
  return stranger === undefined ? undefined : `member ${stranger} has no address`;
}

function withMembers(ids: Omit<Configuration, "members">, candidates: readonly ConfigurationMember[]): Configuration {
  const named = new Set([...ids.voters, ...ids.outgoingVoters, ...ids.learners, ...ids.nextLearners]);
  // A later candidate of the same id wins: it carries the newer address.
  const byId = new Map(candidates.filter((member) => named.has(member.id)).map((member) => [member.id, member]));
  const members = [...byId.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return { ...ids, members };
}

function ordered(ids: readonly MemberId[]): MemberId[] {
  return [...new Set(ids)].sort();
}

function without(ids: readonly MemberId[], id: MemberId): MemberId[] {
  return ids.filter((each) => each !== id);
}

function sameIds(a: readonly MemberId[], b: readonly MemberId[]): boolean {
  return a.length === b.length && a.every((id, position) => id === b[position]);
}
