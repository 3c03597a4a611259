import { afterEach, expect, test } from "vitest";
import type { MemberId } from "../../src/raft/configuration.ts";
import { type MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { KvCluster, type KvClusterOptions, missingKeys, putKeys } from "./kv-cluster.ts";
import { type ClusterMember, until } from "./replica-cluster.ts";

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

/** Whether a row is of the state that a member began with, as it stands on a disk. */
const isOfState = (key: Uint8Array): boolean => Buffer.compare(key.subarray(0, 5), Uint8Array.of(3, 0, 0, 0, 0)) === 0;

/** Bytes of that state as a snapshot counts them: without space, generation and checksum. */
function stateBytes(rows: MemoryRows | undefined): number {
  const state = (rows?.snapshot() ?? []).filter(([key]) => isOfState(key));
  return state.reduce((sum, [key, value]) => sum + key.length + value.length - 9, 0);
}

test("trap 73: a snapshot that is here in whole waits for rows that are being written", async () => {
  const held: (() => void)[] = [];
  let holds: MemberId | undefined;
  const openEngine = (id: MemberId, rows: MemoryRows): StorageEngine => {
    const engine = openMemoryEngine(rows);
    const write: StorageEngine["write"] = async (changes) => {
      const waits = id === holds && changes.some(({ key }) => isOfState(key));
      if (waits) await new Promise<void>((resolve) => held.push(resolve));
      await engine.write(changes);
    };
    return { ...engine, write };
  };
  const cluster = await startCluster({ openEngine, replica: { waitingRowsMs: 1_000 } });
  const [leader, follower] = [await cluster.leader(), await cluster.follower()];
  await putKeys(leader, "first", 3);
  await until(() => (status(follower).appliedIndex >= status(leader).commitIndex ? true : undefined));
  cluster.network.cut(leader.id, follower.id);
  holds = follower.id;
  // No entries come that rows could be written with: they are written alone, when their time has come.
  await until(() => (held.length > 0 ? true : undefined));
  await outgrowLog(leader);
  cluster.network.heal(leader.id, follower.id);
  const { replica } = follower;
  await until(() => replica.status().snapshotReceived?.bytes === stateBytes(cluster.disk(leader.id)) || undefined);
  const ageMs = replica.diskWriteAgeMs();
  await until(() => replica.diskWriteAgeMs() > ageMs + 100 || undefined);
  expect(replica.status().firstIndex).toBe(1);
  holds = undefined;
  for (const goOn of held) goOn();
  await caughtUpBySnapshot(follower, leader);
  expect([missingKeys(follower, "first", 3), missingKeys(follower, "k", 200)]).toEqual([[], []]);
});

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
  const stateRows = cluster
    .disk(id)
    .snapshot()
    .filter(([key]) => key[0] === 3);
  const stateBytes = stateRows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
  expect(stateBytes).toBeGreaterThan(6_000);
  // Begun anew each time it would be more than twice the state.
  expect(receivedBytes).toBeLessThan(1.5 * stateBytes);
});
