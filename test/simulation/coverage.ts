/** What the runs of CI must have met at least once, or they prove less than they seem to. */
export const situations = [
  "acknowledgedWrite",
  "abandonedRequest",
  "appendRefused",
  "appliedAgainAfterRestart",
  "answeredFromSession",
  "cas",
  "casRefused",
  "clusterCrashed",
  "committedOlderTerm",
  "connectionRefused",
  "crashedAfterWrite",
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
  "hunted",
  "inFlightWriteKept",
  "inFlightWriteLost",
  "leaderElected",
  "leaderPaused",
  "leaderServedLinearizableRead",
  "leaderStoppedOrderly",
  "logReadFromStore",
  "lostTailRefused",
  "messageDropped",
  "messageDuplicated",
  "messageThroughCodec",
  "oneWayCut",
  "overloaded",
  "partialCut",
  "paused",
  "proposalOverwritten",
  "queueOverflowed",
  "retriedAtAnotherMember",
  "rotRefused",
  "sessionExpired",
  "singleMember",
  "slowLink",
  "staleRead",
  "streamBroken",
  "truncated",
  "twoCandidates",
  "twoLeaders",
  "unknownOutcome",
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

  /** Adds what another run met. */
  add(other: Coverage): void {
    for (const [situation, count] of other.#counts) this.saw(situation, count);
  }

  /** Situations never met. */
  get missing(): Situation[] {
    return situations.filter((situation) => this.count(situation) === 0);
  }
}
