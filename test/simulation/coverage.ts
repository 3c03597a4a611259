import type { Profile } from "./strike.ts";

// What the runs of CI must have met at least once, or they prove less than they seem to.

/** What runs of all kinds together must have met. */
const anywhere = [
  "abandonedRequest",
  "acknowledgedWrite",
  "answeredFromSession",
  "appendRefused",
  "appliedAgainAfterRestart",
  "boundedRead",
  "cas",
  "casRefused",
  "clocksDrifted",
  "clusterCrashed",
  "committedOlderTerm",
  "connectionRefused",
  "crashedAtSend",
  "deadlinePassed",
  "droppedProposal",
  "evenCluster",
  "followerServedLinearizableRead",
  "forwarded",
  "hunted",
  "largeCluster",
  "leaderElected",
  "leaderPaused",
  "leaderServedLinearizableRead",
  "leaderStoppedOrderly",
  "logReadFromStore",
  "messageDropped",
  "messageDuplicated",
  "messageReordered",
  "messageThroughCodec",
  "oneWayCut",
  "overloaded",
  "partialCut",
  "paused",
  "proposalOverwritten",
  "queueOverflowed",
  "readConfirmedByLease",
  "readConfirmedByRound",
  "readAtTheEnd",
  "restartedWhileRead",
  "retriedAtAnotherMember",
  "revisionNotReached",
  "sessionExpired",
  "singleMember",
  "slowDisk",
  "slowLink",
  "stateScrubbed",
  "staleRead",
  "statesAgreed",
  "streamBroken",
  "tooStale",
  "totalCut",
  "truncated",
  "twoCandidates",
  "twoLeaders",
  "unknownOutcome",
  "votersStarved",
  "wallClockJumped",
  "watermarkLowered",
  "windowFull",
] as const;

/** What runs in which members come and go must have met. */
const underChanges = [
  "changeRefused",
  "changeUnknown",
  "changed",
  "configurationRolledBack",
  "configurationTruncated",
  "joined",
  "jointEntered",
  "jointLeft",
  "leaderRemoved",
  "leaderWithoutVote",
  "learnerPromoted",
  "learnersChanged",
  "removedMemberRunsOn",
  "transferAborted",
  "transferRefused",
  "transferred",
] as const;

/** What runs with tiny logs must have met. */
const aroundSnapshots = [
  "compacted",
  "compactedDuringJointConfiguration",
  "compactedOnRequest",
  "installBegunAnew",
  "installInterrupted",
  "installResumed",
  "removedAsRange",
  "snapshotDuringJointConfiguration",
  "snapshotGone",
  "snapshotHunted",
  "snapshotInstalled",
  "snapshotServed",
  "snapshotServedByFollower",
] as const;

/** What runs in which snapshots go from member to member in files must have met. */
const aroundFiles = [
  "crashedAtAdopt",
  "crashedAtAppend",
  "crashedAtOpen",
  "crashedAtReceive",
  "crashedAtRemove",
  "crashedAtRemoveFormer",
  "filesAdopted",
  "filesAdoptedByCrash",
  "filesGivenUp",
  "filesOpened",
  "filesOpenedAnew",
  "filesReadFailed",
  "filesRefused",
  "filesResumed",
  "filesTorn",
  "filesUnreadable",
] as const;

/** What runs on bad disks must have met. */
const onBadDisks = [
  "crashedAfterWrite",
  "crashedAtRead",
  "crashedBeforeWrite",
  "crashedDuringWrite",
  "crashedWhileOpening",
  "diskFull",
  "diskStalled",
  "handedOverBehindStalledDisk",
  "inFlightWriteKept",
  "inFlightWriteLost",
  "lostTailRefused",
  "misreadRefused",
  "rotRefused",
  "stoppedByStalledWrite",
  "wipedPeerRefused",
  "writeFailed",
] as const;

/** What runs with a wrong state must have met. */
const withWrongState = ["stateAltered", "alteredStateFound", "alteredLeaderFound"] as const;

/** A situation that a run may meet. */
export type Situation =
  | (typeof anywhere)[number]
  | (typeof underChanges)[number]
  | (typeof aroundSnapshots)[number]
  | (typeof aroundFiles)[number]
  | (typeof onBadDisks)[number]
  | (typeof withWrongState)[number];

/** Every situation. */
export const situations: readonly Situation[] = [
  ...anywhere,
  ...underChanges,
  ...aroundSnapshots,
  ...aroundFiles,
  ...onBadDisks,
];

const ofProfile: Readonly<Partial<Record<Profile, readonly Situation[]>>> = {
  membership: underChanges,
  snapshots: aroundSnapshots,
  wipes: aroundFiles,
  storage: onBadDisks,
};

/** What runs of a kind are asked for; runs of all kinds together, if none is named. */
export function situationsOf(profile: Profile | undefined): readonly Situation[] {
  return (profile === undefined ? undefined : ofProfile[profile]) ?? anywhere;
}

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

  /** Those of the situations that were never met. */
  missing(asked: readonly Situation[] = situations): Situation[] {
    return asked.filter((situation) => this.count(situation) === 0);
  }
}
