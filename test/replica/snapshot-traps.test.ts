import { afterEach, expect, test } from "vitest";
import { readPair } from "../../src/kv/read.ts";
import { encodeCommand, increment, requestId, textOf, utf8 } from "../kv/driver.ts";
import { KvCluster, type KvClusterOptions, missingKeys, putKeys } from "./kv-cluster.ts";
import { type ClusterMember, propose, transfer, until } from "./replica-cluster.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const clusters: KvCluster[] = [];

async function startCluster(options: KvClusterOptions = {}): Promise<KvCluster> {
  const cluster = new KvCluster({ snapshot: { chunkBytes: 500 }, ...options });
  clusters.push(cluster);
  await cluster.startAll();
  return cluster;
}

afterEach(async () => {
  for (const cluster of clusters.splice(0)) {
    expect([...cluster.members.values()].flatMap(({ fatal }) => fatal)).toEqual([]);
    await cluster.stopAll();
  }
});

const status = ({ replica }: ClusterMember) => replica.status();

/** Waits until a member has all that was committed, by a snapshot and what follows it. */
async function caughtUpBySnapshot(member: ClusterMember, leader: ClusterMember): Promise<void> {
  await until(() => (status(member).firstIndex > 100 ? true : undefined));
  await until(() => (status(member).appliedIndex >= status(leader).commitIndex ? true : undefined));
}

/** Writes until the log does not reach back to its beginning any more. */
async function outgrowLog(leader: ClusterMember): Promise<void> {
  await putKeys(leader, "k", 200);
  await until(() => (status(leader).firstIndex > 100 ? true : undefined));
}

test("trap 75: a transfer that breaks off goes on where it was, however often", async () => {
  let receivedBytes = 0;
  const cluster = await startCluster({
    // So slow that there is time to break it off.
    snapshot: { chunkBytes: 500, bytesPerSecondMax: 20_000, retryMinMs: 5 },
    metrics: { snapshotReceivedBytes: (bytes) => (receivedBytes += bytes) },
  });
  const { id } = await cluster.follower();
  await cluster.stop(id);
  const leader = await cluster.leader();
  await outgrowLog(leader);
  const follower = await cluster.start(id);
  for (const begun of [1_000, 2_500, 4_000]) {
    await until(() => ((status(follower).snapshotReceived?.bytes ?? 0) >= begun ? true : undefined));
    cluster.network.cut(id, leader.id);
    // The link is known to be down, so that what was asked for is lost.
    await until(() => (status(follower).leaderId === leader.id ? undefined : true));
    cluster.network.heal(id, leader.id);
  }
  await caughtUpBySnapshot(follower, leader);
  expect(missingKeys(follower, "k", 200)).toEqual([]);
  const stateRows = (cluster.disks.get(id)?.snapshot() ?? []).filter(([key]) => key[0] === 3);
  const stateBytes = stateRows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  expect(stateBytes).toBeGreaterThan(6_000);
  // Begun anew each time it would be more than twice the state.
  expect(receivedBytes).toBeLessThan(1.5 * stateBytes);
});

test("trap 79: a proposal whose entry a snapshot took the place of ends once, as unknown", async () => {
  const cluster = await startCluster();
  const old = await cluster.leader();
  const others = cluster.ids.filter((id) => id !== old.id);
  for (const id of others) cluster.network.cut(old.id, id);
  const outcomes: string[] = [];
  const stranded = propose(old, [...encodeCommand(increment("n", 1n))], 60_000);
  void stranded.then(({ type }) => outcomes.push(type));
  const next = await until(() =>
    [...cluster.members.values()].find((member) => member !== old && status(member).role === "leader"),
  );
  await outgrowLog(next);
  expect(outcomes).toEqual([]);
  for (const id of others) cluster.network.heal(old.id, id);
  expect(await stranded).toMatchObject({ type: "unknown" });
  await caughtUpBySnapshot(old, next);
  expect(missingKeys(old, "k", 200)).toEqual([]);
  expect(outcomes).toEqual(["unknown"]);
});

test("trap 80: who caught up by snapshot answers a retry, and does not apply it again", async () => {
  const cluster = await startCluster();
  const { id } = await cluster.follower();
  await cluster.stop(id);
  const leader = await cluster.leader();
  const command = [...encodeCommand(increment("n", 1n, { id: requestId("client", 1) }))];
  const first = await propose(leader, command);
  await outgrowLog(leader);
  const follower = await cluster.start(id);
  await caughtUpBySnapshot(follower, leader);
  await transfer(leader, id);
  const again = await propose(follower, command);
  if (first.type !== "applied" || again.type !== "applied") throw new Error(`${first.type}, then ${again.type}`);
  expect([...again.result]).toEqual([...first.result]);
  const pair = readPair((row) => follower.replica.stateRow(row), utf8("n"));
  expect(textOf(pair?.value?.data)).toBe("1");
});
