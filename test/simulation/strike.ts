import type { Dice } from "./dice.ts";

/** Kinds of runs; each has its own mixture of harm. */
export const profiles = [
  "swarm",
  "churn",
  "reads",
  "tails",
  "storage",
  "membership",
  "snapshots",
  "wipes",
  "calm",
] as const;

/** What kind of run it is. */
export type Profile = (typeof profiles)[number];

/** Kinds of harm, and how likely each is in a run of any profile. */
const weights = {
  crash: 3,
  crashLeader: 3,
  crashAll: 1,
  crashAtPoint: 5,
  stopOrderly: 2,
  pause: 2,
  pauseLeader: 2,
  split: 3,
  isolateLeader: 2,
  isolateFollower: 2,
  oneWay: 3,
  bridge: 2,
  buddy: 1,
  starveVoters: 1,
  heal: 4,
  slowLink: 2,
  breakStreams: 2,
  stallDisk: 2,
  slowDisk: 2,
  failWrite: 2,
  misread: 1,
  fullDisk: 1,
  hunt: 3,
  jumpWallClock: 1,
  wipe: 0.5,
  loseTail: 0.7,
  rot: 0.5,
  addMember: 2,
  addLearner: 0.5,
  promote: 0.5,
  removeMember: 2,
  removeLeader: 1,
  replace: 1.5,
  changeAtOnce: 1,
  transfer: 3,
  compact: 1,
  huntSnapshot: 1,
} as const;

/** A kind of harm. */
export type StrikeKind = keyof typeof weights;

const storageWeights: Readonly<Record<StrikeKind, number>> = {
  ...weights,
  crashAtPoint: 12,
  stallDisk: 4,
  failWrite: 5,
  misread: 4,
  fullDisk: 3,
  wipe: 1.5,
  loseTail: 3,
  rot: 2,
};

/** Leaders are cut off again and again while clients write to them, so that logs part. */
const tailWeights: Readonly<Record<StrikeKind, number>> = { ...weights, isolateLeader: 14, buddy: 5, heal: 10 };

/** Members come and go, and leadership is handed around, while little else is well. */
const membershipWeights: Readonly<Record<StrikeKind, number>> = {
  ...weights,
  addMember: 10,
  addLearner: 2,
  promote: 2,
  removeMember: 8,
  removeLeader: 5,
  replace: 6,
  changeAtOnce: 5,
  transfer: 12,
};

/** Leaders are replaced while they are read from, as soon as anybody votes. */
const readWeights: Readonly<Record<StrikeKind, number>> = { ...weights, starveVoters: 15, pauseLeader: 5 };

/** Followers miss what the log soon does not hold any more, and whoever sends or takes a snapshot is struck meanwhile. */
const snapshotWeights: Readonly<Record<StrikeKind, number>> = {
  ...weights,
  crash: 6,
  split: 6,
  isolateFollower: 8,
  compact: 6,
  huntSnapshot: 10,
  stallDisk: 3,
  addMember: 6,
  removeMember: 4,
  replace: 8,
};

/** Disks are lost and members replaced again and again, while logs are too short for whoever comes back. */
const wipeWeights: Readonly<Record<StrikeKind, number>> = {
  ...snapshotWeights,
  crashLeader: 6,
  crashAll: 3,
  crashAtPoint: 8,
  wipe: 12,
  replace: 14,
};

const profileWeights: Readonly<Partial<Record<Profile, Readonly<Record<StrikeKind, number>>>>> = {
  reads: readWeights,
  storage: storageWeights,
  tails: tailWeights,
  membership: membershipWeights,
  snapshots: snapshotWeights,
  wipes: wipeWeights,
};

/** One act of harm, planned before the run so that each can be left out on its own. */
export interface Strike {
  readonly number: number;
  readonly atMs: number;
  readonly kind: StrikeKind;
}

/** Plans the harm of a run. */
export function drawStrikes(dice: Dice, profile: Profile, untilMs: number, electionTimeoutMs: number): Strike[] {
  if (profile === "calm") return [];
  const everyMs = electionTimeoutMs * (profile === "churn" ? dice.real(0.4, 1.5) : dice.real(0.7, 4));
  const kinds = profileWeights[profile] ?? weights;
  // Each run draws which kinds it has at all: a few of them together reach deeper than all of them at once.
  const share = dice.real(0.3, 1);
  const drawn = Object.fromEntries(
    Object.entries(kinds).map(([kind, weight]) => [
      kind,
      kind === "heal" || kind === "isolateLeader" || dice.chance(share) ? weight : 0,
    ]),
  ) as Record<StrikeKind, number>;
  const strikes: Strike[] = [];
  for (let atMs = dice.exponential(everyMs); atMs < untilMs; atMs += dice.exponential(everyMs)) {
    strikes.push({ number: strikes.length, atMs, kind: dice.weighted(drawn) });
  }
  return strikes;
}
