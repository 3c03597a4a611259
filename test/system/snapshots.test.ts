import { expect, test } from "vitest";
import { ClusterService, Member_Role as Role } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { findDifferences, readAll } from "./read-all.ts";
import { callUntilAnswered } from "./retrying-client.ts";
import { runRaftkv } from "./run-raftkv.ts";
import { patientFlags, report, startCluster } from "./start-cluster.ts";
import { startWorkload } from "./workload.ts";

const valueBytes = 16 * 1024;
const logEntriesMax = 200;
const smallLog = ["--compaction-log-entries", String(logEntriesMax), "--compaction-trailing-entries", "40"];
/** Far slower than any time-out: ten seconds for what {@link fill} writes. */
const slowTransfer = ["--snapshot-rate-limit", "512KiB", "--snapshot-chunk-size", "64KiB"];

/** Values that {@link fill} writes: several times what a log may hold. */
const filled = 300;

const keyOf = (number: number) => `fill/${number}`;
const valueAt = (number: number) => `${number}`.padEnd(valueBytes, "x");

/** Writes `count` large values. */
async function fill(cluster: ProcessCluster, count: number): Promise<void> {
  const left = Array.from({ length: count }, (_, number) => number);
  const writeSome = async () => {
    for (let number = left.pop(); number !== undefined; number = left.pop()) {
      const request = { key: keyOf(number), payload: { case: "value", value: valueAt(number) } } as const;
      await callUntilAnswered(cluster.running(), 0, KvService.method.put, request);
    }
  };
  await Promise.all(Array.from({ length: 16 }, writeSome));
}

async function expectFilled(cluster: ProcessCluster, count: number): Promise<void> {
  const found = await readAll(
    cluster,
    Array.from({ length: count }, (_, number) => keyOf(number)),
  );
  for (let number = 0; number < count; number++) expect(found.get(keyOf(number)) === valueAt(number)).toBe(true);
}

const metricsOf = async (cluster: ProcessCluster, member: ClusterMember) => parseMetrics(await cluster.metrics(member));

/** Until the leader's log begins after what a member has that is down. */
async function waitUntilCompactedBeyond(cluster: ProcessCluster, index: bigint): Promise<void> {
  const leader = await cluster.waitForLeader();
  await waitUntil(async () => (await cluster.status(leader)).firstIndex > index + 1n, {
    what: `the log of ${leader.name} begins after ${index}`,
    timeoutMs: 60_000,
  });
}

/** Until a member's log is within its limit again, now that nobody fetches what it kept. */
async function waitUntilLogIsShort(cluster: ProcessCluster, member: ClusterMember): Promise<void> {
  await waitUntil(
    async () => {
      const { firstIndex, lastIndex } = await cluster.status(member);
      return Number(lastIndex - firstIndex) < 2 * logEntriesMax;
    },
    { what: `the log of ${member.name} is short`, timeoutMs: 60_000 },
  );
}

/** How much of a snapshot is durable at a member that fetches one; `undefined` while it fetches none. */
async function receivedBytes(cluster: ProcessCluster, member: ClusterMember): Promise<number | undefined> {
  const transfer = (await cluster.statusIfAnswered(member))?.receivingSnapshot;
  return transfer === undefined ? undefined : Number(transfer.bytes);
}

test("a follower that was down while the log was compacted catches up by snapshot, slowly, under writes and without an election", async () => {
  const cluster = await startCluster({ serveFlags: [...smallLog, ...slowTransfer, ...patientFlags] });
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  const leader = await cluster.waitForLeader();
  const [follower] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
  const { lastIndex } = await cluster.status(follower);
  await cluster.kill(follower.name);
  await fill(cluster, filled);
  await waitUntilCompactedBeyond(cluster, lastIndex);
  const { header } = await cluster.status(leader);

  await cluster.start(follower.name);
  await waitUntil(async () => ((await receivedBytes(cluster, follower)) ?? 0) > 0, {
    what: "a snapshot is on its way",
  });
  const { members } = await runRaftkv<{
    members: { name: string; receiving: { totalBytes: number } | null; sending: { memberId: string }[] }[];
  }>(follower, "status");
  expect(members.find(({ name }) => name === follower.name)?.receiving?.totalBytes).toBeGreaterThan(
    filled * valueBytes,
  );
  expect(members.find(({ name }) => name === leader.name)?.sending).toHaveLength(1);
  const startedAt = performance.now();
  await waitUntil(async () => (await cluster.statusIfAnswered(follower))?.receivingSnapshot === undefined, {
    what: "the snapshot is installed",
    timeoutMs: 60_000,
  });
  report(
    `a snapshot of ${(filled * valueBytes) / 2 ** 20} MiB at 0.5 MiB/s: ${Math.round(performance.now() - startedAt)} ms`,
  );

  const acknowledged = await workload.stop();
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
  await expectFilled(cluster, filled);
  for (const member of cluster.members) {
    const status = await cluster.status(member);
    expect(status.header?.raftTerm).toBe(header?.raftTerm);
    await waitUntilLogIsShort(cluster, member);
  }
  const transfers = { direction: "receive", result: "installed" };
  expect(sumSamples(await metricsOf(cluster, follower), "raftkv_snapshot_transfers_total", transfers)).toBe(1);
  // Alone with the other follower, the restarted one is needed for every quorum: it must really hold the rows.
  await cluster.kill(leader.name);
  await cluster.waitForLeader();
  await expectFilled(cluster, filled);
});

test("a follower killed in the middle of a snapshot, again and again, goes on where it was", async () => {
  const cluster = await startCluster({ serveFlags: [...smallLog, ...slowTransfer] });
  const leader = await cluster.waitForLeader();
  const [follower] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
  const { lastIndex } = await cluster.status(follower);
  await cluster.kill(follower.name);
  await fill(cluster, filled);
  await waitUntilCompactedBeyond(cluster, lastIndex);

  let totalBytes = 0;
  let durable = 0;
  // The last kill leaves seconds of the transfer, so that it comes in the middle however late it is.
  for (const share of [0.1, 0.25, 0.4]) {
    await cluster.start(follower.name);
    durable = await waitUntil(
      async () => {
        const transfer = (await cluster.statusIfAnswered(follower))?.receivingSnapshot;
        const bytes = Number(transfer?.bytes ?? 0);
        totalBytes = Number(transfer?.totalBytes ?? 0);
        if (bytes > 0) expect(bytes).toBeGreaterThanOrEqual(durable);
        return totalBytes > 0 && bytes >= share * totalBytes && bytes;
      },
      { what: `${share} of the snapshot are there`, timeoutMs: 60_000 },
    );
    await cluster.kill(follower.name);
  }
  await cluster.start(follower.name);
  await cluster.waitUntilCaughtUp();
  const metrics = await metricsOf(cluster, follower);
  const bytes = sumSamples(metrics, "raftkv_snapshot_transfer_bytes_total", { direction: "receive" });
  expect(bytes).toBeGreaterThan(0);
  expect(bytes).toBeLessThan(0.7 * totalBytes);
  expect(cluster.process(follower.name).output.some((line) => line.includes("fetching the rest of a snapshot"))).toBe(
    true,
  );
  await cluster.kill(leader.name);
  await cluster.waitForLeader();
  await expectFilled(cluster, filled);
});

test("newcomers join a compacted cluster, one of them in the place of a member that lost its data", async () => {
  const cluster = await startCluster({ serveFlags: smallLog });
  const workload = startWorkload(cluster, 1);
  await fill(cluster, filled);
  await waitUntilCompactedBeyond(cluster, 150n);
  const leader = await cluster.waitForLeader();
  const [witness, lost] = cluster.others(leader.name) as [ClusterMember, ClusterMember];

  const added = await cluster.layOut("n4");
  await cluster.start("n4");
  await runRaftkv(witness, "member", "add", "n4", "--peer-address", added.peerAddress);
  await cluster.kill(lost.name);
  cluster.wipe(lost.name);
  await cluster.start(lost.name);
  await runRaftkv(witness, "member", "replace", lost.name, lost.name, "--peer-address", lost.peerAddress);
  await waitUntil(
    async () => {
      const result = await witness.client.call(ClusterService.method.listMembers, {});
      return result.ok && result.response.members.filter(({ role }) => role === Role.VOTER).length === 4;
    },
    { what: "four members vote", timeoutMs: 60_000 },
  );
  const acknowledged = await workload.stop();
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
  // Without the other two, each newcomer has to serve what only a snapshot brought it.
  for (const member of [added, lost]) {
    const { firstIndex } = await cluster.status(member);
    expect(Number(firstIndex)).toBeGreaterThan(150);
  }
  await expectFilled(cluster, filled);
});

test("logs are compacted on request, of every member or of one, and found again after a restart", async () => {
  // The entry of another term would lengthen the logs.
  const cluster = await startCluster({ serveFlags: patientFlags });
  await fill(cluster, 50);
  await cluster.waitUntilCaughtUp();
  const leader = await cluster.waitForLeader();
  const [follower] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
  const { lastIndex } = await cluster.status(leader);
  type Compacted = { readonly members: readonly { name: string; first: number; last: number; logSizeBytes: number }[] };
  const all = await runRaftkv<Compacted>(follower, "compact", "--trailing-entries", "10");
  expect(all.members.map(({ first }) => first)).toEqual([0, 0, 0].map(() => Number(lastIndex) - 9));
  const one = await runRaftkv<Compacted>(leader, "compact", follower.name, "--trailing-entries", "0");
  expect(one.members).toMatchObject([{ name: follower.name, first: Number(lastIndex) + 1, logSizeBytes: 0 }]);
  await cluster.kill(follower.name);
  await cluster.start(follower.name);
  await cluster.waitUntilCaughtUp();
  expect((await cluster.status(follower)).firstIndex).toBe(lastIndex + 1n);
  await expectFilled(cluster, 50);
});
