/** What the random runs must have met at least once, or they prove less than they seem to. */
export const situations = [
  "appendRefused",
  "applied",
  "changeRefusedConfigurationChanged",
  "changeRefusedDuringTransfer",
  "changeRefusedInProgress",
  "changeRefusedLearnerNotReady",
  "changeRefusedNotLeader",
  "changeRefusedQuorumAtRisk",
  "changeRefusedTargetInvalid",
  "compacted",
  "configurationTruncated",
  "crashedAfterInstall",
  "crashedAfterWrite",
  "crashedInstalling",
  "crashedWriting",
  "dropped",
  "duplicated",
  "electedWithoutVote",
  "jointEntered",
  "jointLeft",
  "jointQuorum",
  "leaderElected",
  "leaderRemoved",
  "leaderRestarted",
  "leaderSteppedDownInTerm",
  "leaderWithoutVote",
  "learner",
  "learnerKept",
  "learnerPromoted",
  "learnersChanged",
  "logRead",
  "logReadGone",
  "olderTermCommitted",
  "paused",
  "preVoteRefused",
  "proposalDuringTransfer",
  "proposalNotLeader",
  "proposalOverloaded",
  "readConfirmedAtFollower",
  "readConfirmedAtLeader",
  "readRefused",
  "removedMemberLingers",
  "singleVoter",
  "snapshotAnnounced",
  "snapshotBegun",
  "snapshotDropsEntries",
  "snapshotInstalled",
  "snapshotLater",
  "snapshotNotGiven",
  "snapshotOfJoint",
  "snapshotOutdated",
  "transferAborted",
  "transferCampaign",
  "transferDone",
  "transferRefusedInProgress",
  "transferRefusedNotLeader",
  "transferRefusedNotVoter",
  "truncated",
  "twoCandidates",
  "unreachableWhileReplicating",
  "voteRefused",
  "voterDemoted",
  "windowFull",
] as const;

export type Situation = (typeof situations)[number];

/** Counts how often each situation was met. */
export class Coverage {
  readonly #counts = new Map<Situation, number>();

  saw(situation: Situation): void {
    this.#counts.set(situation, this.count(situation) + 1);
  }

  count(situation: Situation): number {
    return this.#counts.get(situation) ?? 0;
  }

  /** Situations never met. */
  get missing(): Situation[] {
    return situations.filter((situation) => this.count(situation) === 0);
  }
}
