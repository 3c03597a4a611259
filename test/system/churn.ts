// A write load goes on while members are killed and wiped at random:
//
//   writers write ──> a member, or all of them, is killed; or one loses its data and is replaced under a new id
//         ▲                                       │
//         └── logs are within their bounds <── it has caught up

import type { ProcessCluster } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import type { Dice } from "../simulation/dice.ts";
import { findDifferences } from "./read-all.ts";
import { runRaftkv } from "./run-raftkv.ts";
import { digestOfAll } from "./state-digest.ts";
import { waitUntilAllVote } from "./wait-until-all-vote.ts";
import { startWorkload } from "./workload.ts";

/** Flags of members that churn: logs so short that whoever is away for a moment needs a snapshot. */
export const churnFlags: readonly string[] = [
  ...["--compaction-log-entries", "300", "--compaction-log-size", "128KiB", "--compaction-trailing-entries", "50"],
  ...["--compaction-pinned-size", "1MiB", "--snapshot-chunk-size", "64KiB"],
];

/**
 * Bytes that a log may have at most under {@link churnFlags}: what may be kept for a follower that fetches a snapshot, and what
 * is written until the next look at it.
 */
export const churnLogBytesMax = 2 * 2 ** 20;

/** What churning came to. */
export interface ChurnTotals {
  readonly strikes: Record<Strike, number>;
  /** The longest log that any member had, by entries and by bytes, whenever it was looked at. */
  logEntriesMax: number;
  logBytesMax: number;
  acknowledgedWrites: number;
  retries: number;
  /** Rows that every member's state has in the end. */
  rows: number;
}

const strikes = ["killLeader", "killFollower", "killAll", "wipeFollower", "wipeLeader"] as const;
type Strike = (typeof strikes)[number];

/** How often each strike comes in a round of all of them. */
const weights: Readonly<Record<Strike, number>> = {
  killLeader: 2,
  killFollower: 2,
  killAll: 1,
  wipeFollower: 2,
  wipeLeader: 1,
};

/**
 * Churns for `seconds`, at least as many as one strike takes. Rejects when an acknowledged write is missing, a counter is not
 * exact, states differ, a log grows over {@link churnLogBytesMax}, or a member does not come back.
 */
export async function churn(
  cluster: ProcessCluster,
  options: { readonly seconds: number; readonly dice: Dice; readonly say: (line: string) => void },
): Promise<ChurnTotals> {
  const { dice, say } = options;
  const totals: ChurnTotals = {
    strikes: { killLeader: 0, killFollower: 0, killAll: 0, wipeFollower: 0, wipeLeader: 0 },
    ...{ logEntriesMax: 0, logBytesMax: 0, acknowledgedWrites: 0, retries: 0, rows: 0 },
  };
  const workload = startWorkload(cluster, 2);
  const endAt = performance.now() + options.seconds * 1000;
  let due: Strike[] = [];
  let lastSaidAt = performance.now();
  do {
    if (due.length === 0) due = shuffled(dice);
    const strike = due.pop() ?? "killLeader";
    await harm(cluster, strike, dice);
    totals.strikes[strike]++;
    await workload.nextAcknowledgement();
    await cluster.waitUntilCaughtUp();
    await lookAtLogs(cluster, totals);
    if (performance.now() - lastSaidAt > 10_000) {
      lastSaidAt = performance.now();
      say(JSON.stringify({ ...totals, acknowledgedWrites: workload.acknowledged.puts.size }));
    }
  } while (performance.now() < endAt);
  const acknowledged = await workload.stop();
  await cluster.waitUntilCaughtUp();
  const lost = await findDifferences(cluster, acknowledged);
  if (lost.length > 0) throw new Error(`${lost.length} differ: ${lost.slice(0, 5).join("; ")}`);
  const increments = [...acknowledged.counters.values()].reduce((total, sum) => total + sum, 0);
  totals.acknowledgedWrites = acknowledged.puts.size + increments;
  totals.retries = acknowledged.retries;
  totals.rows = (await digestOfAll(cluster)).rows;
  return totals;
}

/** Every strike as often as its weight says, in a drawn order. */
function shuffled(dice: Dice): Strike[] {
  const left = strikes.flatMap((strike) => Array.from({ length: weights[strike] }, () => strike));
  const drawn: Strike[] = [];
  while (left.length > 0) drawn.push(...left.splice(dice.whole(0, left.length - 1), 1));
  return drawn;
}

async function harm(cluster: ProcessCluster, strike: Strike, dice: Dice): Promise<void> {
  const leader = await cluster.waitForLeader();
  const follower = dice.pick(cluster.others(leader.name));
  switch (strike) {
    case "killLeader":
      return killAndStart(cluster, leader.name);
    case "killFollower":
      return killAndStart(cluster, follower.name);
    case "killAll":
      return killAndStart(cluster, ...cluster.members.map(({ name }) => name));
    case "wipeFollower":
      return wipeAndReplace(cluster, follower.name);
    case "wipeLeader":
      return wipeAndReplace(cluster, leader.name);
  }
}

async function killAndStart(cluster: ProcessCluster, ...names: readonly string[]): Promise<void> {
  await cluster.kill(...names);
  await cluster.start(...names);
}

/** A member loses its data and joins again under an id that never voted, until it votes: the next strike must leave a quorum. */
async function wipeAndReplace(cluster: ProcessCluster, name: string): Promise<void> {
  await cluster.kill(name);
  cluster.wipe(name);
  await cluster.start(name);
  await waitUntil(() => cluster.process(name).output.some((line) => line.includes("member replace")), {
    what: `${name}, which is empty, tells that it has to be replaced`,
    timeoutMs: 60_000,
  });
  const [witness] = cluster.others(name);
  if (witness === undefined) throw new Error(`nobody is there but ${name}`);
  const { peerAddress } = cluster.member(name);
  await runRaftkv(witness, "member", "replace", name, name, "--peer-address", peerAddress);
  await waitUntilAllVote(cluster, witness);
}

async function lookAtLogs(cluster: ProcessCluster, totals: ChurnTotals): Promise<void> {
  for (const member of cluster.running()) {
    const { firstIndex, lastIndex, logSizeBytes } = await cluster.status(member);
    totals.logEntriesMax = Math.max(totals.logEntriesMax, Number(lastIndex - firstIndex) + 1);
    totals.logBytesMax = Math.max(totals.logBytesMax, Number(logSizeBytes));
  }
  if (totals.logBytesMax > churnLogBytesMax) throw new Error(`a log has ${totals.logBytesMax} bytes`);
}
