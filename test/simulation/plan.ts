import type { KvLimits } from "../../src/kv/kv-limits.ts";
import { type CompactionOptions, defaultCompactionOptions } from "../../src/replica/compaction-policy.ts";
import { defaultIntegrityOptions, type IntegrityOptions } from "../../src/replica/integrity-options.ts";
import { defaultReplicaOptions, type ReplicaOptions } from "../../src/replica/replica-options.ts";
import { defaultSnapshotOptions, type SnapshotOptions } from "../../src/replica/snapshot-options.ts";
import { type Dice, diceFor } from "./dice.ts";
import { drawStrikes, type Profile, type Strike } from "./strike.ts";

/** How messages travel. */
export interface NetworkPlan {
  /** Streams keep their order and break as a whole; otherwise every message is on its own. */
  readonly orderly: boolean;
  readonly delayMs: { readonly min: number; readonly mean: number };
  readonly slowShare: number;
  readonly slowMsMax: number;
  readonly dropShare: number;
  readonly duplicateShare: number;
  /** Share of frames that pass through the real encoder and decoder. */
  readonly codecShare: number;
  /** Time after which a stream over a cut link breaks. */
  readonly keepaliveMs: number;
  /** Messages under way on a link; over it all are dropped. */
  readonly queueMessagesMax: number;
}

/** How disks behave apart from faults. */
export interface DiskPlan {
  readonly writeMs: { readonly min: number; readonly mean: number };
  readonly slowShare: number;
  readonly slowMsMax: number;
  readonly truncationStep: number;
  readonly installationMarkBytes: number;
  readonly watermarkIntervalMs: number;
}

/** Which members give and take the files of their engines. */
export interface HomesPlan {
  /** How likely a member does; 0 for a run in which nobody does. */
  readonly share: number;
  /** Whether all have the same engine; files are for members with the same one only. */
  readonly alike: boolean;
  /** How likely files that come are damaged. */
  readonly damagedShare: number;
  /** How likely files cannot be opened, or a part of them not be read. */
  readonly unreadableShare: number;
  /** How likely a part of a snapshot makes whoever gets it crash soon. */
  readonly crashShare: number;
  /** Files are larger than the rows in them, so that they come in larger parts. */
  readonly snapshot: Partial<SnapshotOptions>;
}

/** What clients do. */
export interface WorkloadPlan {
  readonly clients: number;
  readonly registers: number;
  readonly counters: number;
  readonly thinkMsMax: number;
  readonly attemptTimeoutMs: number;
  readonly operationTimeoutMs: number;
  readonly sessionShare: number;
  readonly pinnedShare: number;
  readonly readShare: number;
  readonly operationsMax: number;
  readonly valueBytesMax: number;
}

/** Everything about a run, drawn from its seed before it begins. */
export interface Plan {
  readonly seed: number;
  readonly profile: Profile;
  readonly size: number;
  readonly options: ReplicaOptions;
  readonly network: NetworkPlan;
  readonly disk: DiskPlan;
  readonly homes: HomesPlan;
  readonly workload: WorkloadPlan;
  readonly kvLimits: Partial<KvLimits>;
  /** Clocks run this much faster or slower at most. */
  readonly driftMax: number;
  /** How late a turn comes at most. */
  readonly turnDelayMsMax: number;
  readonly faultsMs: number;
  readonly strikes: readonly Strike[];
  /** Whether a row that passes its checksum comes into the state of one member alone. */
  readonly altersState: boolean;
}

/** How a run differs from what its seed says; what shrinking changes. */
export interface Overrides {
  /** What kind of run it is. Default: as drawn. */
  readonly profile?: Profile;
  /** Strikes to keep, by number. Default: all. */
  readonly strikes?: readonly number[];
  readonly size?: number;
  readonly clients?: number;
  readonly operations?: number;
  readonly untilMs?: number;
  /** No drops, duplicates or long delays. Default false. */
  readonly calmNetwork?: boolean;
  /** No slow writes. Default false. */
  readonly calmDisk?: boolean;
  /** Clocks that all run alike. Default false. */
  readonly calmClocks?: boolean;
  /** Logs long enough that nothing is compacted by itself. Default false. */
  readonly longLogs?: boolean;
  /** One member gets a row that it should not have; no snapshot carries it on. Default false. */
  readonly altersState?: boolean;
}

/** Draws a run. */
export function drawPlan(seed: number, overrides: Overrides = {}): Plan {
  const dice = diceFor(seed, "plan");
  const drawn = dice.weighted<Profile>({
    swarm: 5,
    churn: 2,
    reads: 2,
    tails: 2,
    storage: 2,
    membership: 3,
    snapshots: 3,
    // By name only.
    wipes: 0,
    calm: 0.3,
  });
  const profile = overrides.profile ?? drawn;
  const size = Number(dice.weighted({ 1: 1, 2: 0.7, 3: 12, 4: 1, 5: 3, 6: 0.25, 7: 0.35 }));
  const driftMax = dice.chance(0.5) ? dice.real(0, 0.2) : 0;
  const drawnOptions = drawOptions(dice, profile, driftMax);
  const homes = drawHomes(seed, profile);
  const integrity = drawIntegrity(seed, drawnOptions.raft.electionTimeoutMs);
  const options = { ...drawnOptions, integrity, snapshot: { ...drawnOptions.snapshot, ...homes.snapshot } };
  const network = drawNetwork(dice, options.raft.electionTimeoutMs, profile);
  const disk = drawDisk(dice, profile);
  const workload = drawWorkload(dice, profile, options.raft.electionTimeoutMs);
  const kvLimits = dice.chance(0.25) ? drawKvLimits(dice) : {};
  const turnDelayMsMax = dice.pick([0, 0.2, 2]);
  const faultsMs = options.raft.electionTimeoutMs * dice.real(12, 30);
  const strikes = drawStrikes(dice, profile, faultsMs, options.raft.electionTimeoutMs);
  const plan = { seed, profile, size, options, network, disk, workload, kvLimits, driftMax, turnDelayMsMax };
  return override({ ...plan, faultsMs, strikes, homes, altersState: false }, overrides);
}

/** What a reader of a trace has to know of a run, on one line. */
export function describePlan({ profile, size, options, workload, network, faultsMs, strikes }: Plan): string {
  const { electionTimeoutMs, heartbeatIntervalMs, lease } = options.raft;
  return [
    `a run of the kind ${profile}: ${size} members, ${workload.clients} clients, ${strikes.length} strikes until ${faultsMs.toFixed(0)} ms`,
    `election timeout ${electionTimeoutMs}, heartbeats every ${heartbeatIntervalMs}, leases ${lease === null ? "off" : "on"}`,
    `streams ${network.orderly ? "keep" : "do not keep"} their order`,
  ].join("; ");
}

function override(given: Plan, overrides: Overrides): Plan {
  const { strikes: kept, size, clients, operations, untilMs, calmNetwork, calmDisk, calmClocks, longLogs } = overrides;
  const quiet = { slowShare: 0, dropShare: 0, duplicateShare: 0 };
  const plan = overrides.altersState === true ? withAlteredState(given) : given;
  return {
    ...plan,
    size: size ?? plan.size,
    driftMax: calmClocks === true ? 0 : plan.driftMax,
    options: longLogs === true ? { ...plan.options, compaction: defaultCompactionOptions } : plan.options,
    faultsMs: untilMs ?? plan.faultsMs,
    strikes: plan.strikes.filter(({ number }) => kept === undefined || kept.includes(number)),
    network: calmNetwork === true ? { ...plan.network, ...quiet } : plan.network,
    disk: calmDisk === true ? { ...plan.disk, slowShare: 0 } : plan.disk,
    workload: {
      ...plan.workload,
      clients: clients ?? plan.workload.clients,
      operationsMax: operations ?? plan.workload.operationsMax,
    },
  };
}

/** Nobody takes the wrong state over by a snapshot, and the members compare theirs all along. */
function withAlteredState(plan: Plan): Plan {
  const { options, strikes } = plan;
  const checkIntervalMs = 4 * options.raft.electionTimeoutMs;
  return {
    ...plan,
    altersState: true,
    strikes: strikes.filter(({ kind }) => kind !== "compact"),
    options: {
      ...options,
      compaction: defaultCompactionOptions,
      integrity: { ...options.integrity, checkIntervalMs, bytesPerSecondMax: 0 },
    },
  };
}

/** Checkpoints in most runs, as often as makes a difference; from a stream of their own. */
function drawIntegrity(seed: number, electionTimeoutMs: number): IntegrityOptions {
  const dice = diceFor(seed, "integrity");
  // A few rows at a time, which takes turns and reads without end, in a part of the runs; several pages in more of them.
  const pageBytes = dice.chance(0.3) ? dice.whole(1, 500) : dice.whole(500, 8000);
  return {
    checkIntervalMs: dice.chance(0.8) ? dice.real(1, 12) * electionTimeoutMs : defaultIntegrityOptions.checkIntervalMs,
    bytesPerSecondMax: dice.chance(0.3) ? dice.whole(2000, 50_000) : 0,
    pageBytes: dice.chance(0.5) ? pageBytes : defaultIntegrityOptions.pageBytes,
    resultsMax: dice.whole(1, 8),
    askIntervalMs: dice.real(0.5, 3) * electionTimeoutMs,
    askForMs: dice.real(2, 20) * electionTimeoutMs,
  };
}

function drawOptions(dice: Dice, profile: Profile, driftMax: number): ReplicaOptions {
  // Around the default: short ones make more elections, long ones more of what lies between two.
  const electionTimeoutMs = profile === "churn" ? dice.whole(80, 150) : dice.whole(120, 880);
  const heartbeatIntervalMs = Math.max(10, Math.round(electionTimeoutMs / dice.whole(4, 10)));
  const roomy = dice.chance(profile === "tails" ? 0.1 : 0.4);
  const inflight = { messages: dice.whole(1, 6), bytes: dice.whole(1, 2000) };
  return {
    ...defaultReplicaOptions,
    raft: {
      electionTimeoutMs,
      heartbeatIntervalMs,
      appendBytesMax: roomy ? 1 << 20 : dice.whole(1, 1000),
      inflight: roomy ? { messages: 256, bytes: 8 << 20 } : inflight,
      uncommittedBytesMax: roomy ? 64 << 20 : dice.whole(200, 5000),
      unappliedEntriesMax: 65_536,
      pendingReadsMax: roomy ? 65_536 : dice.whole(2, 30),
      promotionLagMax: 10,
      lease: dice.chance(profile === "reads" ? 0.8 : 0.4)
        ? { clockDriftMax: driftBetween(driftMax) + dice.real(0, 0.05) }
        : null,
      tailBytesMax: dice.chance(0.5) ? 0 : dice.whole(0, 5000),
    },
    pendingProposalsMax: dice.chance(0.2) ? dice.whole(2, 8) : 10_000,
    pendingReadsMax: dice.chance(0.2) ? dice.whole(3, 8) : 10_000,
    leaderWaitMs: dice.whole(0, 2 * electionTimeoutMs),
    tickIntervalMs: Math.max(4, Math.round(heartbeatIntervalMs / dice.real(2, 4))),
    writeStallMsMax: dice.chance(0.3) ? electionTimeoutMs * dice.real(1.5, 4) : defaultReplicaOptions.writeStallMsMax,
    waitingRowBytesMax: dice.chance(0.3) ? 200 : 1 << 20,
    waitingRowsMs: dice.whole(5, 500),
    applyEntriesMax: dice.chance(0.3) ? dice.whole(1, 3) : 512,
    readBytesMax: dice.chance(0.3) ? dice.whole(1, 300) : 1 << 20,
    compaction:
      profile === "snapshots" || profile === "wipes" || dice.chance(0.3)
        ? drawCompaction(dice, electionTimeoutMs)
        : defaultCompactionOptions,
    snapshot: drawSnapshot(dice, electionTimeoutMs),
  };
}

/** Logs so short that most followers that are cut off for a while find nothing of what they lack. */
function drawCompaction(dice: Dice, electionTimeoutMs: number): CompactionOptions {
  return {
    logEntriesMax: dice.chance(0.8) ? dice.whole(1, 40) : defaultCompactionOptions.logEntriesMax,
    logBytesMax: dice.chance(0.2) ? dice.whole(200, 5000) : defaultCompactionOptions.logBytesMax,
    intervalMs: dice.chance(0.3) ? dice.real(0.1, 5) * electionTimeoutMs : 0,
    trailingEntries: dice.pick([0, dice.whole(0, 5), dice.whole(0, 20)]),
    pinnedBytesMax: dice.chance(0.5) ? dice.whole(0, 5000) : defaultCompactionOptions.pinnedBytesMax,
  };
}

function drawSnapshot(dice: Dice, electionTimeoutMs: number): SnapshotOptions {
  return {
    chunkBytes: dice.chance(0.7) ? dice.whole(1, 400) : defaultSnapshotOptions.chunkBytes,
    bytesPerSecondMax: dice.chance(0.2) ? dice.whole(2000, 50_000) : 0,
    openMax: dice.whole(1, 4),
    idleMs: dice.real(0.5, 30) * electionTimeoutMs,
    retryMinMs: dice.whole(1, 30),
    retryMaxMs: dice.whole(30, 200),
    announcedMs: dice.real(2, 30) * electionTimeoutMs,
    // The states of the simulator are small beside their logs.
    filesToRowsMax: Number.MAX_VALUE,
    spareBytes: 0,
  };
}

/** From a stream of their own. */
function drawHomes(seed: number, profile: Profile): HomesPlan {
  const dice = diceFor(seed, "home", 1_000_000);
  const kind = dice.weighted({ none: profile === "wipes" ? 1 : 4, mixed: 3, alike: 6 });
  const chunkBytes = dice.chance(0.7) ? dice.whole(200, 2000) : defaultSnapshotOptions.chunkBytes;
  const bytesPerSecondMax = dice.chance(0.2) ? dice.whole(20_000, 200_000) : 0;
  return {
    share: kind === "none" ? 0 : dice.pick([1, 0.7]),
    alike: kind === "alike",
    damagedShare: dice.pick([0, 0.1, 0.4]),
    unreadableShare: dice.pick([0, 0.02, 0.1]),
    crashShare: kind === "none" ? 0 : dice.pick(profile === "wipes" ? [0.2, 0.5] : [0, 0.1, 0.4]),
    snapshot: kind === "none" ? {} : { chunkBytes, bytesPerSecondMax },
  };
}

/** How much less the slowest clock may count than the fastest, when each is off by `driftMax` at most. */
function driftBetween(driftMax: number): number {
  return 1 - (1 - driftMax) / (1 + driftMax);
}

function drawNetwork(dice: Dice, electionTimeoutMs: number, profile: Profile): NetworkPlan {
  const orOff = (share: number, value: number): number => (dice.chance(share) ? 0 : value);
  const calm = profile === "calm";
  return {
    orderly: dice.chance(0.5),
    delayMs: { min: dice.real(0.05, 1), mean: dice.real(0.1, electionTimeoutMs / 30) },
    slowShare: calm ? 0 : orOff(0.4, dice.real(0, 0.05)),
    slowMsMax: dice.real(1, 4) * electionTimeoutMs,
    dropShare: calm ? 0 : orOff(0.4, dice.real(0, 0.08)),
    duplicateShare: calm ? 0 : orOff(0.4, dice.real(0, 0.15)),
    codecShare: dice.pick([0, 0.05, 0.2]),
    keepaliveMs: dice.real(0.5, 4) * electionTimeoutMs,
    // Never below the small windows: a queue that no window fits into lets nothing through, and the leader sends it again and again.
    queueMessagesMax: dice.chance(0.15) ? dice.whole(8, 24) : 65_536,
  };
}

function drawDisk(dice: Dice, profile: Profile): DiskPlan {
  const slow = profile === "storage" || dice.chance(0.3);
  const plan = {
    writeMs: { min: dice.real(0.05, 0.5), mean: slow ? dice.real(2, 15) : dice.real(0.1, 3) },
    slowShare: dice.chance(0.5) ? 0 : dice.real(0, 0.03),
    slowMsMax: dice.real(20, 600),
    truncationStep: dice.chance(0.4) ? dice.whole(1, 4) : 65_536,
    watermarkIntervalMs: dice.real(5, 200),
  };
  // Where logs are cut in small steps, installations write down how far they are every few rows; elsewhere never.
  return { ...plan, installationMarkBytes: 64 * plan.truncationStep };
}

function drawWorkload(dice: Dice, profile: Profile, electionTimeoutMs: number): WorkloadPlan {
  const attemptTimeoutMs = electionTimeoutMs * dice.real(0.5, 5);
  return {
    clients: profile === "tails" ? 12 : dice.whole(2, 9),
    registers: profile === "snapshots" || profile === "wipes" ? dice.whole(3, 8) : dice.whole(1, 3),
    counters: dice.whole(1, 2),
    thinkMsMax: dice.pick([2, 20, 60]),
    attemptTimeoutMs,
    operationTimeoutMs: attemptTimeoutMs * dice.real(1, 4),
    sessionShare: dice.pick([1, 0.8, 0.5]),
    pinnedShare: profile === "reads" || profile === "tails" ? 0.8 : dice.pick([0, 0.3, 0.6]),
    readShare: profile === "reads" ? 0.6 : dice.real(0.1, 0.5),
    operationsMax: dice.whole(60, 500),
    valueBytesMax: dice.pick([10, 10, 200]),
  };
}

function drawKvLimits(dice: Dice): Partial<KvLimits> {
  return {
    sessionsMax: dice.whole(1, 6),
    sessionIdleMs: dice.whole(200, 3000),
    expiryBucketMs: dice.whole(1, 100),
    sessionsEndedPerCommandMax: dice.whole(1, 3),
    endedSessionsForgottenPerCommandMax: dice.whole(3, 6),
    pendingAnswersMax: dice.whole(2, 10),
    answersRemovedPerCommandMax: dice.whole(1, 4),
  };
}
