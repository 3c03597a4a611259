import { afterEach, expect, test } from "vitest";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import type { ReplicaMetrics } from "../../src/replica/replica-metrics.ts";
import { openMemoryEngine } from "../../src/storage/memory-engine.ts";
import {
  type ClusterMember,
  type ClusterOptions,
  propose,
  ReplicaCluster,
  readTotal,
  until,
} from "./replica-cluster.ts";
import { createSteadyRuntime } from "./steady-runtime.ts";

const raft = {
  ...defaultRaftOptions,
  electionTimeoutMs: 100,
  heartbeatIntervalMs: 20,
  lease: { clockDriftMax: 0.1 },
};

const clusters: ReplicaCluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stopAll();
});

/** How many reads each way was taken by, over all members. */
class ReadTally implements Partial<ReplicaMetrics> {
  readonly confirmed = { round: 0, lease: 0 };
  lapses = 0;
  readonly readsConfirmed = (by: "round" | "lease", count: number): void => {
    this.confirmed[by] += count;
  };
  readonly leaseLapsed = (): void => {
    this.lapses++;
  };
}

async function startCluster(options: Partial<ClusterOptions> = {}) {
  const tally = new ReadTally();
  const metrics = { readsConfirmed: tally.readsConfirmed, leaseLapsed: tally.leaseLapsed };
  const cluster = new ReplicaCluster({ engine: () => openMemoryEngine(), options: { raft }, metrics, ...options });
  clusters.push(cluster);
  await cluster.startAll();
  return { cluster, tally };
}

test("members read from the leader's lease, wherever the read comes in", async () => {
  const { cluster, tally } = await startCluster();
  const leader = await cluster.leader();
  expect(await propose(leader)).toMatchObject({ type: "applied" });
  for (const member of cluster.members.values()) {
    // While its process is held up, a leader goes by rounds.
    for (const before = tally.confirmed.lease; tally.confirmed.lease === before; ) {
      expect(await readTotal(member)).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
});

test("no read goes by a lease unless leases are on", async () => {
  const { cluster, tally } = await startCluster({ options: { raft: { ...raft, lease: null } } });
  await propose(await cluster.leader());
  for (const member of cluster.members.values()) expect(await readTotal(member)).toBe(1);
  await until(() => (tally.confirmed.round >= 3 ? true : undefined));
  expect(tally.confirmed.lease).toBe(0);
});

test("trap 53: a leader that was cut off never reads what is old, while another one is written to", async () => {
  const { cluster, tally } = await startCluster();
  for (let round = 0; round < 5; round++) {
    const old = await cluster.leader();
    expect(await propose(old)).toMatchObject({ type: "applied" });
    for (const id of cluster.ids) if (id !== old.id) cluster.network.cut(old.id, id);
    const others = [...cluster.members.values()].filter((member) => member !== old);
    let acknowledged = 0;
    const read = readAll(old, () => acknowledged);
    const next = await until(() => others.find((member) => member.replica.status().role === "leader"));
    for (let i = 0; i < 20; i++) {
      const outcome = await propose(next);
      if (outcome.type === "applied") acknowledged = Buffer.from(outcome.result).readDoubleBE(0);
    }
    await read.stop();
    for (const id of cluster.ids) if (id !== old.id) cluster.network.heal(old.id, id);
  }
  // The lease outlasts contact: else nothing was tried.
  expect(tally.confirmed.lease).toBeGreaterThan(100);
});

/** Reads at one member all the time, and expects what was acknowledged before each read began. */
function readAll(member: ClusterMember, acknowledged: () => number) {
  let stopped = false;
  const reading = (async () => {
    while (!stopped) {
      const atLeast = acknowledged();
      const total = await readTotal(member, 5, false);
      if (typeof total === "number") expect(total).toBeGreaterThanOrEqual(atLeast);
    }
  })();
  return {
    stop: () => {
      stopped = true;
      return reading;
    },
  };
}

test("trap 52: what was read under a lease is not current any more when the process stood still meanwhile", async () => {
  let skippedMs = 0;
  const steady = createSteadyRuntime();
  const runtime = { ...steady, now: () => steady.now() + skippedMs };
  const { cluster, tally } = await startCluster({ size: 1, runtime: () => runtime });
  const { replica } = await cluster.leader();
  const read = (standStillMs: number): Promise<boolean> =>
    new Promise((resolve) => {
      replica.readIndex({ deadlineMs: replica.now() + 5000, forward: true }, (failure, isCurrent) => {
        expect(failure).toBeUndefined();
        skippedMs += standStillMs;
        resolve(isCurrent());
      });
    });
  // While its process is held up, a leader goes by rounds, whose reads stay current.
  while (!(await read(0)) || tally.confirmed.lease === 0);
  const { lapses } = tally;
  while (await read(60_000));
  expect(tally.lapses).toBe(lapses + 1);
});

test("what a round confirmed stays what it was, however long it is looked at", async () => {
  let skippedMs = 0;
  const steady = createSteadyRuntime();
  const runtime = { ...steady, now: () => steady.now() + skippedMs };
  const { cluster } = await startCluster({
    size: 1,
    runtime: () => runtime,
    options: { raft: { ...raft, lease: null } },
  });
  const { replica } = await cluster.leader();
  const current = await new Promise<boolean>((resolve) => {
    replica.readIndex({ deadlineMs: replica.now() + 5000, forward: true }, (_failure, isCurrent) => {
      skippedMs = 60_000;
      resolve(isCurrent());
    });
  });
  expect(current).toBe(true);
});
