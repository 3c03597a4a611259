/** What the runs of CI must have met at least once, or they prove less than they seem to. */
export const situations = [
  "abandonedRequest",
  "acknowledgedWrite",
  "answeredFromSession",
  "appendRefused",
  "appliedAgainAfterRestart",
  "boundedRead",
  "cas",
  "casRefused",
  "changeRefused",
  "changeUnknown",
  "changed",
  "clusterCrashed",
  "committedOlderTerm",
  "configurationRolledBack",
  "configurationTruncated",
  "connectionRefused",
  "crashedAfterWrite",
  "crashedAtRead",
  "crashedAtSend",
  "crashedBeforeWrite",
  "crashedDuringWrite",
  "crashedWhileOpening",
  "deadlinePassed",
  "diskFull",
  "diskStalled",
  "droppedProposal",
  "followerServedLinearizableRead",
  "forwarded",
  "handedOverBehindStalledDisk",
  "hunted",
  "inFlightWriteKept",
  "inFlightWriteLost",
  "joined",
  "jointEntered",
  "jointLeft",
  "leaderElected",
  "leaderPaused",
  "leaderServedLinearizableRead",
  "leaderStoppedOrderly",
  "leaderWithoutVote",
  "learnerPromoted",
  "learnersChanged",
  "logReadFromStore",
  "lostTailRefused",
  "messageDropped",
  "messageDuplicated",
  "messageThroughCodec",
  "misreadRefused",
  "oneWayCut",
  "overloaded",
  "partialCut",
  "paused",
  "proposalOverwritten",
  "queueOverflowed",
  "readConfirmedByLease",
  "readConfirmedByRound",
  "removedMemberRunsOn",
  "retriedAtAnotherMember",
  "revisionNotReached",
  "rotRefused",
  "sessionExpired",
  "singleMember",
  "slowLink",
  "staleRead",
  "stoppedByStalledWrite",
  "streamBroken",
  "tooStale",
  "transferFailed",
  "transferRefused",
  "transferred",
  "truncated",
  "twoCandidates",
  "twoLeaders",
  "unknownOutcome",
  "votersStarved",
  "wallClockJumped",
  "watermarkLowered",
  "wipedPeerRefused",
  "writeFailed",
] as const;

/** A situation that a run may meet. */
export type Situation = (typeof situations)[number];

/** Counts how often each situation was met. */
export class Coverage {
  readonly #counts = new Map<Situation, number>();

  saw(situation: Situation, times = 1): void {
    this.#counts.set(situation, this.count(situation) + times);
  }

  count(situation: Situation): number {
    return this.#counts.get(situation) ?? 0;
  }

  /** Situations that were met, and how often. */
  get counts(): readonly (readonly [Situation, number])[] {
    return [...this.#counts];
  }

  /** Adds what another run met. */
  add(other: Coverage): void {
    for (const [situation, count] of other.#counts) this.saw(situation, count);
  }

  /** Situations never met. */
  get missing(): Situation[] {
    return situations.filter((situation) => this.count(situation) === 0);
  }
}
