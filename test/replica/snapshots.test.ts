import { afterEach, describe, expect, test } from "vitest";
import { KvCluster, type KvClusterOptions, missingKeys, putKeys } from "./kv-cluster.ts";
import { type ClusterMember, until } from "./replica-cluster.ts";

const clusters: KvCluster[] = [];

async function startCluster(options: KvClusterOptions = {}): Promise<KvCluster> {
  const cluster = new KvCluster(options);
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
const caughtUp = (member: ClusterMember, leader: ClusterMember) =>
  until(() => (status(member).appliedIndex >= status(leader).commitIndex ? true : undefined));

describe("a compacted log", () => {
  test("stays within its limits, whatever is written, on every member", async () => {
    const cluster = await startCluster();
    const leader = await cluster.leader();
    for (let round = 0; round < 20; round++) await putKeys(leader, `r${round}-`, 20);
    for (const member of cluster.members.values()) {
      await caughtUp(member, leader);
      await until(() => (status(member).lastIndex - status(member).firstIndex < 40 ? true : undefined));
      for (let round = 0; round < 20; round++) expect(missingKeys(member, `r${round}-`, 20)).toEqual([]);
    }
  });

  test("is found again after a restart, with everything that was applied", async () => {
    const cluster = await startCluster();
    await putKeys(await cluster.leader(), "k", 100);
    await until(() =>
      [...cluster.members.values()].every((member) => status(member).firstIndex > 50) ? true : undefined,
    );
    await cluster.stopAll();
    await cluster.startAll();
    const leader = await cluster.leader();
    await putKeys(leader, "later", 1);
    for (const member of cluster.members.values()) {
      await caughtUp(member, leader);
      expect(status(member).firstIndex).toBeGreaterThan(50);
      expect([missingKeys(member, "k", 100), missingKeys(member, "later", 1)]).toEqual([[], []]);
    }
  });
});

describe("a follower that is behind the compacted log", () => {
  test("fetches a snapshot while writes go on, and nothing is lost", async () => {
    const cluster = await startCluster({ snapshot: { chunkBytes: 500 } });
    const { id } = await cluster.follower();
    await cluster.stop(id);
    const leader = await cluster.leader();
    await putKeys(leader, "k", 200);
    const { term } = status(leader);
    await until(() => (status(leader).firstIndex > 100 ? true : undefined));
    const follower = await cluster.start(id);
    let stopped = false;
    const writing = (async () => {
      let rounds = 0;
      for (; !stopped; rounds++) await putKeys(leader, `w${rounds}-`, 10);
      return rounds;
    })();
    await until(() => (status(follower).firstIndex > 100 ? true : undefined));
    stopped = true;
    const rounds = await writing;
    await caughtUp(follower, leader);
    expect(missingKeys(follower, "k", 200)).toEqual([]);
    for (let round = 0; round < rounds; round++) expect(missingKeys(follower, `w${round}-`, 10)).toEqual([]);
    expect(status(follower)).toMatchObject({ snapshotReceived: null, term });
    expect(cluster.disks.get(id)?.snapshot().length).toBeGreaterThan(200);
  });
});
