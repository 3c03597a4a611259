/** What the random runs must have met at least once, or they prove less than they seem to. */
export const situations = [
  "applied",
  "appendRefused",
  "crashedAfterWrite",
  "crashedWriting",
  "dropped",
  "duplicated",
  "jointQuorum",
  "leaderElected",
  "leaderRestarted",
  "leaderSteppedDownInTerm",
  "learner",
  "logRead",
  "olderTermCommitted",
  "paused",
  "preVoteRefused",
  "proposalOverloaded",
  "proposalNotLeader",
  "readConfirmedAtFollower",
  "readConfirmedAtLeader",
  "readRefused",
  "singleVoter",
  "truncated",
  "twoCandidates",
  "unreachableWhileReplicating",
  "voteRefused",
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
