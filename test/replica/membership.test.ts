import { afterEach, describe, expect, test } from "vitest";
import { type Configuration, isJoint } from "../../src/raft/configuration.ts";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import {
  type ClusterMember,
  change,
  configured,
  propose,
  ReplicaCluster,
  readTotal,
  transfer,
  until,
} from "./replica-cluster.ts";

const clusters: ReplicaCluster[] = [];

async function startCluster(size = 3, engine = (_id: string) => openMemoryEngine()): Promise<ReplicaCluster> {
  // Longer than usual: an election in between would end a change as unknown.
  const raft = { ...defaultRaftOptions, electionTimeoutMs: 250, heartbeatIntervalMs: 20 };
  const cluster = new ReplicaCluster({ engine, size, options: { raft } });
  clusters.push(cluster);
  return cluster.startAll();
}

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stopAll();
});

/** The leader, once it has applied a command: before that it begins no change. */
async function leaderAtWork(cluster: ReplicaCluster): Promise<ClusterMember> {
  const leader = await cluster.leader();
  expect(await propose(leader)).toMatchObject({ type: "applied" });
  return leader;
}

/** Until these vote, nobody else does, and no change is under way; who leads them. */
async function settled(cluster: ReplicaCluster, voters: readonly string[]): Promise<ClusterMember> {
  const is = (configuration: Configuration): boolean =>
    !isJoint(configuration) && configuration.voters.join() === voters.join();
  return until(() => {
    const statuses = voters.map((id) => cluster.members.get(id)?.replica.status());
    const all = statuses.every(
      (status) => status && is(status.configuration) && status.configurationIndex <= status.commitIndex,
    );
    const leader = statuses.find((status) => status?.role === "leader");
    return all && leader ? cluster.members.get(leader.memberId) : undefined;
  });
}

/** Proposes without a pause until told to stop; how many were applied, and how many may have been. */
function load(cluster: ReplicaCluster): { stop(): Promise<{ applied: number; unknown: number }> } {
  let stopped = false;
  const count = { applied: 0, unknown: 0 };
  const work = async (worker: number): Promise<void> => {
    for (let i = worker; !stopped; i++) {
      const members = [...cluster.members.values()];
      const member = members[i % members.length];
      if (member === undefined) return;
      const { type } = await propose(member, [0], 400);
      if (type !== "dropped") count[type]++;
    }
  };
  const workers = [0, 1, 2, 3].map(work);
  return {
    async stop() {
      stopped = true;
      await Promise.all(workers);
      return count;
    },
  };
}

describe("changing the membership", () => {
  test("a new member takes the log, and becomes a voter by itself", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    for (let i = 0; i < 20; i++) await propose(leader);
    const member = await cluster.join("d");
    expect(await change(leader, { type: "add", member: configured("d") })).toMatchObject({ type: "changed" });
    await settled(cluster, ["a", "b", "c", "d"]);
    await until(() => (member.replica.status().caughtUp ? true : undefined));
    expect(await readTotal(member)).toBe(21);
    expect(await propose(member)).toMatchObject({ type: "applied" });
  });

  test("a learner that is to stay one is promoted when somebody says so", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const member = await cluster.join("d");
    const added = await change(leader, { type: "add", member: { ...configured("d"), keepLearner: true } });
    expect(added).toMatchObject({ type: "changed", configuration: { learners: ["d"] } });
    await until(() => {
      const { peers, lastIndex } = leader.replica.status();
      return peers.some(({ memberId, matchIndex }) => memberId === "d" && matchIndex === lastIndex) ? true : undefined;
    });
    expect(member.replica.status()).toMatchObject({ role: "learner", configuration: { learners: ["d"] } });
    const promoted = await change(leader, { type: "promote", member: "name-d" });
    expect(promoted).toMatchObject({ type: "changed", configuration: { voters: ["a", "b", "c", "d"], learners: [] } });
  });

  test("three members become five and three again, the leader among the removed, under proposals", async () => {
    const cluster = await startCluster();
    const first = await leaderAtWork(cluster);
    const proposals = load(cluster);
    for (const id of ["d", "e"]) {
      await cluster.join(id);
      const leader = await cluster.leader();
      expect(await change(leader, { type: "add", member: configured(id) })).toMatchObject({ type: "changed" });
      await settled(
        cluster,
        ["a", "b", "c", "d", "e"].filter((each) => each <= id || each < "d"),
      );
    }
    const second = ["a", "b", "c"].find((id) => id !== first.id) ?? "";
    const leader = await cluster.leader();
    expect(await change(leader, { type: "remove", member: second })).toMatchObject({ type: "changed" });
    await cluster.stop(second);
    const last = await cluster.leader();
    expect(await change(last, { type: "remove", member: last.id })).toMatchObject({ type: "changed" });
    await until(() => (last.replica.status().role === "learner" ? true : undefined));
    await cluster.stop(last.id);
    const left = [...cluster.members.keys()].sort();
    const next = await settled(cluster, left);
    const { applied, unknown } = await proposals.stop();
    expect(left).toHaveLength(3);
    const total = await readTotal(next);
    expect(applied).toBeGreaterThan(0);
    expect(total).toBeGreaterThanOrEqual(applied);
    expect(total).toBeLessThanOrEqual(applied + unknown + 1);
    for (const member of cluster.members.values()) expect(await readTotal(member)).toBe(total);
  });

  test("a member that is gone is replaced by another in one change", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const gone = (await cluster.follower()).id;
    await cluster.stop(gone);
    await cluster.join("d");
    const sameHost = { ...configured("d"), name: `name-${gone}`, peerAddress: gone };
    expect(await change(leader, { type: "replace", old: gone, member: sameHost })).toMatchObject({ type: "changed" });
    await settled(
      cluster,
      ["a", "b", "c", "d"].filter((id) => id !== gone),
    );
    expect(await readTotal(cluster.members.get("d") ?? expect.fail("no new member"))).toBe(1);
  });

  test("a voter that was down while the member was added that leads now takes part again", async () => {
    const disks = new Map(["a", "b", "c", "d"].map((id) => [id, new MemoryRows()] as const));
    const cluster = await startCluster(3, (id) => openMemoryEngine(disks.get(id)));
    const leader = await leaderAtWork(cluster);
    const behind = (await cluster.follower()).id;
    await cluster.stop(behind);
    const added = await cluster.join("d");
    expect(await change(leader, { type: "add", member: configured("d") })).toMatchObject({ type: "changed" });
    await until(() => (added.replica.status().configuration.voters.includes("d") ? true : undefined));
    expect(await transfer(await cluster.leader(), "d")).toMatchObject({ type: "transferred", to: "d" });
    const member = await cluster.start(behind);
    await until(() => (member.replica.status().caughtUp ? true : undefined));
    expect(member.replica.status()).toMatchObject({ leaderId: "d", configuration: { voters: ["a", "b", "c", "d"] } });
    expect(await readTotal(member)).toBe(1);
  });

  test("a change that would cost the quorum is refused, one that drops who is gone is not", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const gone = (await cluster.follower()).id;
    const other = cluster.ids.find((id) => id !== gone && id !== leader.id) ?? "";
    await cluster.stop(gone);
    await until(() => {
      const peer = leader.replica.status().peers.find(({ memberId }) => memberId === gone);
      return (peer?.contactAgeMs ?? 0) > 300 ? true : undefined;
    });
    expect(await change(leader, { type: "remove", member: other })).toEqual({
      type: "refused",
      reason: "QUORUM_AT_RISK",
    });
    expect(await change(leader, { type: "remove", member: gone })).toMatchObject({ type: "changed" });
    await settled(cluster, [leader.id, other].sort());
  });

  test("what makes no sense is refused and told why", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const follower = await cluster.follower();
    const refusals = [
      await change(follower, { type: "remove", member: "a" }),
      await change(follower, { type: "remove", member: "z" }),
      await change(leader, { type: "remove", member: "z" }),
      await change(leader, { type: "add", member: configured("a") }),
      await change(leader, { type: "promote", member: "a" }),
      await change(leader, { type: "add", member: configured("d") }, { expectedIndex: 7 }),
    ];
    expect(refusals.map((outcome) => outcome.type === "refused" && outcome.reason)).toEqual([
      "NOT_LEADER",
      "NOT_LEADER",
      "MEMBER_UNKNOWN",
      "MEMBER_EXISTS",
      "NOT_A_LEARNER",
      "CONFIGURATION_CHANGED",
    ]);
  });

  test("a change that nobody may ever end is answered once: when its time is up, its leader lost, or the member stopped", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    for (const id of cluster.ids) if (id !== leader.id) cluster.network.cut(leader.id, id);
    const outcomes: string[] = [];
    const begin = (timeoutMs: number): void => {
      const options = { deadlineMs: leader.replica.now() + timeoutMs, expectedIndex: null };
      leader.replica.changeMembership({ type: "add", member: configured("d") }, options, ({ type }) => {
        outcomes.push(type);
      });
    };
    begin(20);
    await until(() => (outcomes.length > 0 ? true : undefined));
    expect(outcomes).toEqual(["unknown"]);
    begin(5000);
    await until(() => (outcomes.length > 1 ? true : undefined));
    await leader.replica.close();
    begin(5000);
    await until(() => (outcomes.length > 2 ? true : undefined));
    // The second while the first was under way or after it lost the lead, the third after the end.
    expect(outcomes).toEqual(["unknown", "refused", "refused"]);
  });
});

describe("handing leadership over", () => {
  test("to the member named, or to any, while proposals go on", async () => {
    const cluster = await startCluster();
    const proposals = load(cluster);
    const old = await cluster.leader();
    const target = await cluster.follower();
    expect(await transfer(old, `name-${target.id}`)).toEqual({ type: "transferred", from: old.id, to: target.id });
    const next = await cluster.leader();
    expect(next.id).toBe(target.id);
    const again = await transfer(next, null);
    expect(again).toMatchObject({ type: "transferred", from: next.id });
    const { applied, unknown } = await proposals.stop();
    const total = await readTotal(await cluster.leader());
    expect(total).toBeGreaterThanOrEqual(applied);
    expect(total).toBeLessThanOrEqual(applied + unknown);
  });

  test("to a target that lags: proposals wait, and are applied by the next leader", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const target = await cluster.follower();
    cluster.network.cut(leader.id, target.id);
    for (let i = 0; i < 50; i++) await propose(leader);
    const handed = transfer(leader, target.id);
    const waiting = propose(leader, [1]);
    cluster.network.heal(leader.id, target.id);
    expect(await handed).toMatchObject({ type: "transferred", to: target.id });
    expect(await waiting).toMatchObject({ type: "applied" });
    expect(await readTotal(target)).toBe(52);
  });

  test("to a target that does not come: given up, and proposals go on", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const target = (await cluster.follower()).id;
    await cluster.stop(target);
    await propose(leader);
    const handed = transfer(leader, target);
    const waiting = propose(leader);
    expect(await handed).toEqual({ type: "failed" });
    expect(await waiting).toMatchObject({ type: "applied" });
    expect(leader.replica.status().role).toBe("leader");
  });

  test("is refused where it makes no sense", async () => {
    const cluster = await startCluster();
    const leader = await leaderAtWork(cluster);
    const follower = await cluster.follower();
    expect(await transfer(leader, "z")).toEqual({ type: "refused", reason: "MEMBER_UNKNOWN" });
    expect(await transfer(follower, "z")).toEqual({ type: "refused", reason: "NOT_LEADER" });
    expect(await transfer(follower, null)).toEqual({ type: "refused", reason: "NOT_LEADER" });
    expect(await transfer(leader, leader.id)).toEqual({ type: "transferred", from: leader.id, to: leader.id });
  });
});
