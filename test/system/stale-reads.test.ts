import { expect, test } from "vitest";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import type { ProcessCluster } from "../lib/process-cluster.ts";
import { freezeLeader, killLeader } from "./disturb-leader.ts";
import { type ReaderReport, readOnce, readThrough } from "./pinned-reader.ts";
import { report, startCluster } from "./start-cluster.ts";
import { startWorkload, type Workload } from "./workload.ts";

test("no member answers a linearizable read from the past while leaders are killed and frozen", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 1);
  const stopped = new AbortController();
  const readers = Promise.all(
    cluster.members.flatMap((member) => [1, 2].map(() => readThrough(member, workload.acknowledged, stopped.signal))),
  );
  for (const disturb of [freezeLeader, killLeader, freezeLeader, killLeader, freezeLeader]) {
    await workload.nextAcknowledgement();
    await disturb(cluster);
  }
  stopped.abort();
  const reports = await readers;
  await workload.stop();
  expectNoneStale(reports);
});

test("trap 52: no member answers from the past under a lease, though leaders stand still and wake with reads waiting", async () => {
  const cluster = await startCluster({ serveFlags: ["--linearizable-reads", "lease", "--clock-drift-limit", "5%"] });
  const workload = startWorkload(cluster, 1);
  const stopped = new AbortController();
  const readers = Promise.all(
    cluster.members.map((member) => readThrough(member, workload.acknowledged, stopped.signal)),
  );
  const late: ReaderReport = { wrong: [], answered: 0 };
  for (let round = 0; round < 6; round++) await wakeLeaderWithReads(cluster, workload, late);
  await killLeader(cluster);
  await workload.nextAcknowledgement();
  stopped.abort();
  const reports = await readers;
  await workload.stop();
  expectNoneStale([...reports, late]);
  const leased = await countReads(cluster, "lease");
  report(`${leased} confirmed by a lease, ${await countReads(cluster, "round")} by a round`);
  expect(leased).toBeGreaterThan(20);
});

/** Freezes the leader until another one has acknowledged a write, and wakes it when reads lie in its sockets. */
async function wakeLeaderWithReads(cluster: ProcessCluster, workload: Workload, late: ReaderReport): Promise<void> {
  await workload.nextAcknowledgement();
  const leader = await cluster.waitForLeader();
  cluster.pause(leader.name);
  await cluster.waitForLeader();
  await workload.nextAcknowledgement();
  const reads = Promise.all(Array.from({ length: 30 }, () => readOnce(leader, workload.acknowledged, late)));
  cluster.resume(leader.name);
  await reads;
  await cluster.waitUntilCaughtUp();
}

function expectNoneStale(reports: readonly ReaderReport[]): void {
  expect(reports.flatMap(({ wrong }) => wrong)).toEqual([]);
  for (const { answered } of reports) expect(answered).toBeGreaterThan(0);
  report(`${reports.reduce((sum, { answered }) => sum + answered, 0)} reads, none stale`);
}

/** Reads confirmed at the members, of those that still run since. */
async function countReads(cluster: ProcessCluster, by: "lease" | "round"): Promise<number> {
  const texts = await Promise.all(cluster.members.map((member) => cluster.metrics(member)));
  return sumSamples(texts.flatMap(parseMetrics), "raftkv_raft_reads_confirmed_total", { by });
}
