/** A member's identity: 16 hexadecimal digits in the service; the core only compares it. */
export type MemberId = string;

/** Most members that a cluster may have, learners counted; more voters than seven only make every write slower. The core does not look. */
export const membersMax = 15;

/** A member of a configuration and where to find it. The core carries the addresses and never looks at them. */
export interface ConfigurationMember {
  readonly id: MemberId;
  readonly name: string;
  readonly peerAddress: string;
  /** A learner that is not to be promoted by itself. Default false. */
  readonly keepLearner?: boolean;
}

/**
 * Who takes part in the cluster; a value that never changes once made (thesis, chapter 4).
 *
 * Invariants: every list is ordered and without repeats; no id is both a voter (incoming) and a learner; every id has its
 * {@link ConfigurationMember}; the configuration is joint exactly when `outgoingVoters` is not empty.
 */
export interface Configuration {
  /** Voters; in a joint configuration the incoming ones. */
  readonly voters: readonly MemberId[];
  /** Outgoing voters of a joint configuration; decisions then need both majorities (thesis, section 4.3). */
  readonly outgoingVoters: readonly MemberId[];
  /** Receive the log, do not vote (thesis, section 4.2.1). */
  readonly learners: readonly MemberId[];
  /** Outgoing voters that stay as learners when the joint configuration is left. */
  readonly nextLearners: readonly MemberId[];
  /** Every member named above, ordered by id. */
  readonly members: readonly ConfigurationMember[];
}

/** A configuration of voters only, as a cluster starts with. */
export function votersOnly(members: readonly ConfigurationMember[]): Configuration {
  const ordered = [...members].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
  return {
    voters: ordered.map((member) => member.id),
    outgoingVoters: [],
    learners: [],
    nextLearners: [],
    members: ordered,
  };
}

/** Whether two majorities are needed. */
export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoingVoters.length > 0;
}

/** Whether `id` has a vote, in either half. */
export function isVoter(configuration: Configuration, id: MemberId): boolean {
  return configuration.voters.includes(id) || configuration.outgoingVoters.includes(id);
}

/** Whether `id` receives the log. */
export function isMember(configuration: Configuration, id: MemberId): boolean {
  return configuration.members.some((member) => member.id === id);
}

/** Every voter once, of both halves. */
export function allVoters(configuration: Configuration): MemberId[] {
  return [...new Set([...configuration.voters, ...configuration.outgoingVoters])];
}

/** Everyone but `self` that is to receive the log. */
export function peersOf(configuration: Configuration, self: MemberId): MemberId[] {
  return configuration.members.map((member) => member.id).filter((id) => id !== self);
}
