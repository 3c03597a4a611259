// Members of a cluster are ended by SIGKILL where a crash may do the most harm to a store, again and again:
//
//   a round ──> writers write ──> a member compacts, or fetches a snapshot ──> SIGKILL at a drawn moment ──> it starts again
//                                                                                                                │
//               states of all members equal <── every acknowledged write is there <── writers stop <── all have caught up

import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { answerOf } from "../lib/rpc-client.ts";
import { pause, waitUntil } from "../lib/wait-until.ts";
import type { Dice } from "../simulation/dice.ts";
import { findDifferences } from "./read-all.ts";
import { recordsToRemove } from "./records-to-remove.ts";
import { removeAll } from "./remove-all.ts";
import { digestOfAll } from "./state-digest.ts";
import { startWorkload, type Workload } from "./workload.ts";

/**
 * Flags of members that these rounds are for: short logs, and transfers slow enough to be struck. What a transfer pins has room
 * for all that is written meanwhile on a busy machine: a log that is cut behind it would make the follower begin anew for ever.
 */
export const killFlags: readonly string[] = [
  ...["--compaction-log-entries", "5000", "--compaction-log-size", "256KiB", "--compaction-trailing-entries", "10"],
  ...["--compaction-pinned-size", "64MiB", "--snapshot-chunk-size", "16KiB", "--snapshot-rate-limit", "1MiB"],
];

/** Entries that a log has at least when it is compacted under fire: several steps of removals. */
const logEntriesMin = 800;
/** From asking for a compaction until it has ended, at most, and for its removals alone. */
const compactionMsMax = 30;
const removalMsMax = 4;
const writersPerMember = 12;
/** A transfer of the state of these rounds takes about this long. */
const transferMsMax = 900;

/** Asks a member to forget all of its log that is applied. */
const compact = ({ client }: ClusterMember) =>
  client.call(MaintenanceService.method.createSnapshot, { trailingEntries: 0n });

/** What the rounds came to. */
export interface KillTotals {
  rounds: number;
  compactionKills: number;
  /** Kills of those that left records which a compaction had made garbage. */
  leftRecords: number;
  installationKills: number;
  /** Kills of those that left part of a snapshot, from which the next start went on. */
  leftSnapshots: number;
  acknowledgedWrites: number;
}

/** Rounds of kills on one cluster of three or more members, which must be running. */
export class KillRounds {
  readonly totals: KillTotals = {
    rounds: 0,
    compactionKills: 0,
    leftRecords: 0,
    installationKills: 0,
    leftSnapshots: 0,
    acknowledgedWrites: 0,
  };
  readonly #cluster: ProcessCluster;
  readonly #dice: Dice;
  /** Sums of all counters, over all rounds. */
  readonly #counters = new Map<string, number>();
  /** Kills that each member has met. */
  readonly #struck = new Map<string, number>();

  constructor(cluster: ProcessCluster, dice: Dice) {
    this.#cluster = cluster;
    this.#dice = dice;
  }

  /** One member, or all of them at once, dies while its log is being compacted. */
  async killCompacting(): Promise<void> {
    const workload = this.#startWriters();
    const chosen = this.#leastStruck(this.#cluster.members);
    const victims = this.#dice.chance(0.3) ? [...this.#cluster.members] : [chosen];
    for (const victim of victims) await this.#waitForLog(victim);
    const compactions = victims.map(compact);
    // The moment of harm is drawn. The answer comes when the removals begin.
    if (this.#dice.chance(0.7)) {
      await Promise.race(compactions);
      await pause(this.#dice.real(0, removalMsMax));
    } else {
      await pause(this.#dice.real(0, compactionMsMax));
    }
    await this.#kill(victims);
    this.totals.compactionKills += victims.length;
    for (const { name, dataDirectory } of victims) {
      if ((await recordsToRemove(dataDirectory, this.#cluster.engineOf(name))) > 0) this.totals.leftRecords++;
    }
    await this.#cluster.start(...victims.map(({ name }) => name));
    await this.#endRound(workload);
  }

  /** A follower dies up to `kills` times while it fetches and installs one snapshot. */
  async killInstalling(kills: number): Promise<void> {
    const workload = this.#startWriters();
    const leader = await this.#cluster.waitForLeader();
    const victim = this.#leastStruck(this.#cluster.others(leader.name));
    await this.#cluster.kill(victim.name);
    const { lastIndex } = await this.#cluster.status(leader);
    for (const other of this.#cluster.others(victim.name)) await this.#compactBeyond(other, lastIndex);
    for (let kill = 0; kill < kills; kill++) {
      await this.#cluster.start(victim.name);
      if (!(await this.#waitForTransfer(victim, lastIndex))) break;
      await pause(this.#dice.real(0, transferMsMax));
      const installing = (await this.#cluster.statusIfAnswered(victim))?.receivingSnapshot !== undefined;
      await this.#kill([victim]);
      this.totals.installationKills++;
      if (installing) this.totals.leftSnapshots++;
    }
    if (!this.#cluster.process(victim.name).isRunning()) await this.#cluster.start(victim.name);
    await this.#endRound(workload);
  }

  #startWriters(): Workload {
    return startWorkload(this.#cluster, writersPerMember, `r${this.totals.rounds}-`);
  }

  async #endRound(workload: Workload): Promise<void> {
    await this.#cluster.waitUntilCaughtUp();
    const { puts, counters, retries } = await workload.stop();
    for (const [counter, sum] of counters) this.#counters.set(counter, (this.#counters.get(counter) ?? 0) + sum);
    const increments = [...counters.values()].reduce((total, sum) => total + sum, 0);
    this.totals.acknowledgedWrites += puts.size + increments;
    this.totals.rounds++;
    const lost = await findDifferences(this.#cluster, { puts, counters: this.#counters, retries });
    if (lost.length > 0)
      throw new Error(`round ${this.totals.rounds}: ${lost.length} differ: ${lost.slice(0, 5).join("; ")}`);
    await digestOfAll(this.#cluster);
    // A state that grew with the rounds would make each transfer longer than the one before.
    await removeAll(this.#cluster, puts.keys());
  }

  async #kill(victims: readonly ClusterMember[]): Promise<void> {
    await this.#cluster.kill(...victims.map(({ name }) => name));
    for (const { name } of victims) this.#struck.set(name, (this.#struck.get(name) ?? 0) + 1);
  }

  /** Takes turns, so that the members, and with them the engines, are struck alike. */
  #leastStruck(members: readonly ClusterMember[]): ClusterMember {
    const kills = ({ name }: ClusterMember): number => this.#struck.get(name) ?? 0;
    const fewest = Math.min(...members.map(kills));
    return this.#dice.pick(members.filter((member) => kills(member) === fewest));
  }

  async #waitForLog(member: ClusterMember): Promise<void> {
    const isLong = async (): Promise<boolean> => {
      const status = await this.#cluster.statusIfAnswered(member);
      return status !== undefined && Number(status.lastIndex - status.firstIndex) >= logEntriesMin;
    };
    await waitUntil(isLong, { what: `the log of ${member.name} has ${logEntriesMin} entries` });
  }

  async #compactBeyond(member: ClusterMember, index: bigint): Promise<void> {
    const isBeyond = async (): Promise<boolean> => {
      return answerOf(await compact(member)).firstIndex > index + 1n;
    };
    await waitUntil(isBeyond, { what: `the log of ${member.name} begins after ${index}`, intervalMs: 100 });
  }

  /** Whether a transfer is seen before the member has all that it lacked. */
  async #waitForTransfer(member: ClusterMember, missedFrom: bigint): Promise<boolean> {
    const seen = await waitUntil(
      async () => {
        const status = await this.#cluster.statusIfAnswered(member);
        if (status?.receivingSnapshot !== undefined) return "transfer";
        return (status?.firstIndex ?? 0n) > missedFrom + 1n && "installed";
      },
      { what: `${member.name} fetches a snapshot`, timeoutMs: 60_000, intervalMs: 5 },
    );
    return seen === "transfer";
  }
}
