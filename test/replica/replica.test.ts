import { afterEach, describe, expect, test } from "vitest";
import { defaultRaftOptions } from "../../src/raft/options.ts";
import type { StateMachine } from "../../src/replica/state-machine.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { type ClusterOptions, countingMachine, propose, ReplicaCluster, readTotal, until } from "./replica-cluster.ts";

const clusters: ReplicaCluster[] = [];

async function startCluster(options: Partial<ClusterOptions> = {}): Promise<ReplicaCluster> {
  const cluster = new ReplicaCluster({ engine: () => openMemoryEngine(), ...options });
  clusters.push(cluster);
  return cluster.startAll();
}

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stopAll();
});

describe("a cluster of replicas", () => {
  test("a single member applies what is proposed", async () => {
    const cluster = await startCluster({ size: 1 });
    const member = await cluster.leader();
    expect(await propose(member)).toMatchObject({ type: "applied", index: 2 });
    expect(await readTotal(member)).toBe(1);
  });

  test("an election is counted once it has ended, as what it came to", async () => {
    const elections: string[] = [];
    const metrics = { election: (kind: string, result: string) => elections.push(`${kind} ${result}`) };
    const cluster = await startCluster({ size: 1, metrics });
    await propose(await cluster.leader());
    expect(elections).toEqual(["pre_vote won", "vote won"]);
  });

  test("every member takes proposals and linearizable reads", async () => {
    const cluster = await startCluster();
    await cluster.leader();
    for (const [position, member] of [...cluster.members.values()].entries()) {
      expect(await propose(member)).toMatchObject({ type: "applied" });
      for (const reader of cluster.members.values()) expect(await readTotal(reader)).toBe(position + 1);
    }
  });

  test("many proposals at once are all applied, each with its own result", async () => {
    const cluster = await startCluster();
    await cluster.leader();
    const members = [...cluster.members.values()];
    const outcomes = await Promise.all(
      Array.from({ length: 600 }, (_, i) => propose(members[i % 3] ?? expect.fail("no member"))),
    );
    const results = outcomes.map((outcome) =>
      outcome.type === "applied" ? Buffer.from(outcome.result).readDoubleBE() : -1,
    );
    expect([...results].sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, i) => i + 1));
  });

  test("a proposal without a leader fails as not applied, within the wait for a leader", async () => {
    const cluster = new ReplicaCluster({ engine: () => openMemoryEngine(), options: { leaderWaitMs: 50 } });
    clusters.push(cluster);
    const member = await cluster.start("a");
    expect(await propose(member)).toMatchObject({ type: "dropped", reason: "NO_LEADER" });
    expect(await readTotal(member)).toBe("NO_LEADER");
  });

  test("a leader that was cut off tells how long it has heard from no quorum", async () => {
    const raft = { ...defaultRaftOptions, electionTimeoutMs: 1500, heartbeatIntervalMs: 20 };
    const cluster = await startCluster({ options: { raft } });
    const { id, replica } = await cluster.leader();
    // Its followers know it before it has an answer of theirs.
    await until(() => replica.status().leaderContactAgeMs ?? undefined);
    for (const other of cluster.ids) if (other !== id) cluster.network.cut(id, other);
    const last = await until(() => {
      const status = replica.status();
      return status.role !== "leader" || (status.leaderContactAgeMs ?? 0) > 100 ? status : undefined;
    });
    expect(last.role).toBe("leader");
  });

  test("a follower refuses what must not be forwarded", async () => {
    const cluster = await startCluster();
    const follower = await cluster.follower();
    expect(await propose(follower, [0], 5000, false)).toMatchObject({ type: "dropped", reason: "NOT_LEADER" });
    expect(await readTotal(follower, 5000, false)).toBe("NOT_LEADER");
  });

  test("trap 85: a leader does not let a command into the log that it could not apply", async () => {
    const cluster = await startCluster();
    const follower = await cluster.follower();
    expect(await propose(follower, [2])).toMatchObject({ type: "dropped", reason: "UNSUPPORTED_COMMAND" });
    expect(await propose(follower)).toMatchObject({ type: "applied" });
  });

  test("a proposal that comes after its deadline is never proposed", async () => {
    const cluster = await startCluster();
    const leader = await cluster.leader();
    const lastIndex = leader.replica.status().lastIndex;
    expect(await propose(leader, [0], -1)).toMatchObject({ type: "dropped", reason: "DEADLINE_EXCEEDED" });
    expect(leader.replica.status().lastIndex).toBe(lastIndex);
  });

  test("the others go on when the leader is cut off, and the proposal that it took is not known to be applied", async () => {
    const cluster = await startCluster();
    const old = await cluster.leader();
    for (const id of cluster.ids) if (id !== old.id) cluster.network.cut(old.id, id);
    const stranded = propose(old, [0], 300);
    const next = await until(() =>
      [...cluster.members.values()].find((member) => member !== old && member.replica.status().role === "leader"),
    );
    expect(await propose(next)).toMatchObject({ type: "applied" });
    expect(await stranded).toMatchObject({ type: "unknown" });
    expect(await until(() => (old.replica.status().role === "leader" ? undefined : "stepped down"))).toBe(
      "stepped down",
    );
  });

  test("trap 79: a proposal that another leader overwrote ends as dropped when the members meet again", async () => {
    const cluster = await startCluster();
    const old = await cluster.leader();
    for (const id of cluster.ids) if (id !== old.id) cluster.network.cut(old.id, id);
    const stranded = propose(old);
    const next = await until(() =>
      [...cluster.members.values()].find((member) => member !== old && member.replica.status().role === "leader"),
    );
    await propose(next);
    for (const id of cluster.ids) if (id !== old.id) cluster.network.heal(old.id, id);
    expect(await stranded).toMatchObject({ type: "dropped", reason: "PROPOSAL_DROPPED" });
    expect(await readTotal(old)).toBe(1);
  });

  test("what was forwarded to a lost leader is tried again only if it may be applied twice", async () => {
    const engines = new Map(["a", "b", "c"].map((id) => [id, openMemoryEngine()] as const));
    const cluster = await startCluster({ engine: (id) => engines.get(id) ?? expect.fail(id) });
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    const third = cluster.ids.find((id) => id !== leader.id && id !== follower.id) ?? expect.fail("no third member");
    cluster.network.cut(leader.id, third);
    // The follower's disk stands still, so that the leader has the commands and cannot commit them.
    const engine = engines.get(follower.id) ?? expect.fail("no engine");
    const write = engine.write.bind(engine);
    let goOn = () => {};
    const stall = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    engine.write = (changes) => stall.then(() => write(changes));
    const { lastIndex } = leader.replica.status();
    const safe = propose(follower, [1]);
    const unsafe = propose(follower, [0]);
    await until(() => (leader.replica.status().lastIndex >= lastIndex + 2 ? true : undefined));
    cluster.network.cut(leader.id, follower.id);
    goOn();
    expect(await safe).toMatchObject({ type: "applied" });
    expect(await unsafe).toMatchObject({ type: "unknown" });
  });

  test("what a leader applied that is lost before its answer does not end as dropped", async () => {
    let cutOff = () => {};
    const apply: StateMachine["apply"] = (...entry) => {
      cutOff();
      return countingMachine.apply(...entry);
    };
    const cluster = await startCluster({
      options: { leaderWaitMs: 50 },
      stateMachine: { ...countingMachine, apply },
    });
    const follower = await cluster.follower();
    // The leader is the first to apply, and its answer leaves afterwards.
    cutOff = () => {
      for (const id of cluster.ids) if (id !== follower.id) cluster.network.cut(follower.id, id);
    };
    expect(await propose(follower, [1])).toMatchObject({ type: "unknown" });
    expect(await readTotal(await cluster.leader())).toBe(1);
  });

  test("what is tried again may be applied anew after others' commands, so it has to know that it was applied", async () => {
    let onApply = () => {};
    const cluster = await startCluster({
      options: { leaderWaitMs: 5000 },
      stateMachine: {
        ...countingMachine,
        apply: (command, ...rest) => {
          onApply();
          return countingMachine.apply(command, ...rest);
        },
      },
    });
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    const lost = new Promise<void>((resolve) => {
      onApply = () => {
        for (const id of cluster.ids) if (id !== follower.id) cluster.network.cut(follower.id, id);
        resolve();
      };
    });
    const first = propose(follower, [1]);
    await lost;
    onApply = () => {};
    expect(await propose(leader)).toMatchObject({ type: "applied" });
    expect(await readTotal(leader)).toBe(2);
    for (const id of cluster.ids) if (id !== follower.id) cluster.network.heal(follower.id, id);
    expect(await first).toMatchObject({ type: "applied" });
    expect(await readTotal(leader)).toBe(3);
  });

  test("a proposal that finds the leader's link down waits for the next leader, and is not taken for sent", async () => {
    const cluster = await startCluster({ options: { leaderWaitMs: 5000 } });
    const leader = await cluster.leader();
    const follower = await cluster.follower();
    await cluster.stop(leader.id);
    expect(follower.replica.status().leaderId).toBe(leader.id);
    expect(await propose(follower)).toMatchObject({ type: "applied" });
  });

  test("a member that restarts finds what was applied and what was not", async () => {
    const disks = new Map(["a", "b", "c"].map((id) => [id, new MemoryRows()] as const));
    const cluster = await startCluster({ engine: (id) => openMemoryEngine(disks.get(id)) });
    const leader = await cluster.leader();
    for (let i = 0; i < 20; i++) await propose(leader);
    await cluster.stopAll();
    await cluster.startAll();
    expect(await readTotal(await cluster.leader())).toBe(20);
    expect(await propose(await cluster.follower())).toMatchObject({ type: "applied" });
  });

  test("a member that ended in order has nothing to apply again", async () => {
    const disk = new MemoryRows();
    const cluster = await startCluster({ size: 1, engine: () => openMemoryEngine(disk) });
    const { id, replica } = await cluster.leader();
    const member = cluster.members.get(id) ?? expect.fail("no member");
    for (let i = 0; i < 20; i++) await propose(member);
    const { appliedIndex } = replica.status();
    await cluster.stop(id);
    const restarted = await cluster.start(id);
    expect(restarted.replica.status().appliedIndex).toBe(appliedIndex);
  });

  test("a member that missed thousands of entries catches up from the store", async () => {
    const disks = new Map(["a", "b", "c"].map((id) => [id, new MemoryRows()] as const));
    const raft = {
      electionTimeoutMs: 100,
      heartbeatIntervalMs: 20,
      tailBytesMax: 0,
      promotionLagMax: 10,
      lease: null,
      appendBytesMax: 4096,
      pendingReadsMax: 10,
      uncommittedBytesMax: 1 << 20,
      unappliedEntriesMax: 10_000,
      inflight: { messages: 4, bytes: 1 << 20 },
    };
    const cluster = await startCluster({
      engine: (id) => openMemoryEngine(disks.get(id)),
      options: { raft },
    });
    const follower = await cluster.follower();
    await cluster.stop(follower.id);
    const leader = await cluster.leader();
    await Promise.all(Array.from({ length: 3000 }, () => propose(leader)));
    const restarted = await cluster.start(follower.id);
    await until(() => (restarted.replica.status().caughtUp ? true : undefined));
    expect(await readTotal(restarted)).toBe(3000);
  });

  test("trap 45: a member that comes back with another directory is not believed", async () => {
    let lives = 0;
    const cluster = await startCluster({ directoryId: (id) => (lives++ < 3 ? id : "f").repeat(32).slice(0, 32) });
    const follower = await cluster.follower();
    const leader = await cluster.leader();
    await propose(leader);
    await cluster.stop(follower.id);
    const wiped = await cluster.start(follower.id);
    const other = cluster.ids.find((id) => id !== leader.id && id !== follower.id) ?? expect.fail("no third member");
    await cluster.stop(other);
    expect(await propose(leader, [0], 300)).not.toMatchObject({ type: "applied" });
    expect(wiped.replica.status().role).not.toBe("leader");
  });

  test("a failed write stops the member, and ends what waits as unknown", async () => {
    const engines = new Map(["a", "b", "c"].map((id) => [id, openMemoryEngine()] as const));
    const cluster = await startCluster({ engine: (id) => engines.get(id) ?? expect.fail(id) });
    const leader = await cluster.leader();
    const engine = engines.get(leader.id) ?? expect.fail("no engine");
    engine.write = () => Promise.reject(new Error("EIO"));
    const outcome = await propose(leader);
    expect(leader.fatal).toHaveLength(1);
    expect(outcome.type).toBe("unknown");
    expect(await propose(leader)).toMatchObject({ type: "dropped", reason: "SHUTTING_DOWN" });
    cluster.members.delete(leader.id);
    await leader.replica.close().catch(() => {});
    expect(await propose(await cluster.leader())).toMatchObject({ type: "applied" });
  });

  test("trap 95: a state machine that throws stops the member", async () => {
    const stateMachine = {
      indexPrefix: new Uint8Array([9]),
      inspect: () => "single" as const,
      apply: () => {
        throw new Error("unknown command");
      },
    };
    const cluster = await startCluster({ size: 1, stateMachine });
    const member = await cluster.leader();
    expect((await propose(member)).type).toBe("unknown");
    expect(member.fatal).toEqual([new Error("unknown command")]);
  });

  test("a member that drains takes nothing new and ends what is under way", async () => {
    const cluster = await startCluster();
    const leader = await cluster.leader();
    const underWay = propose(leader);
    const drained = leader.replica.drain(leader.replica.now() + 5000);
    expect(await propose(leader)).toMatchObject({ type: "dropped", reason: "SHUTTING_DOWN" });
    expect(await readTotal(leader)).toBe("SHUTTING_DOWN");
    expect(await underWay).toMatchObject({ type: "applied" });
    await drained;
  });

  test("a member that has stopped ends a wait for a revision at once", async () => {
    const cluster = await startCluster({ size: 1 });
    const { replica } = await cluster.leader();
    await cluster.stopAll();
    const reached = new Promise((resolve) => replica.waitApplied(() => false, Number.POSITIVE_INFINITY, resolve));
    expect(await reached).toBe(false);
  });

  test("each write and each commit is told to the metrics", async () => {
    const told: string[] = [];
    const metrics = {
      writtenBytes: (bytes: number) => told.push(`written ${bytes}`),
      commitDuration: (seconds: number) => told.push(`committed ${seconds >= 0}`),
    };
    const cluster = await startCluster({ size: 1, metrics });
    const member = await cluster.leader();
    await until(() => (member.replica.status().caughtUp ? true : undefined));
    told.length = 0;
    await propose(member, [0, 0, 0]);
    expect(told).toEqual(["written 35", "committed true"]);
  });

  test("over the limit of bytes, proposals are refused, and room comes back when they end", async () => {
    const cluster = await startCluster({ size: 1, options: { pendingProposalBytesMax: 100 } });
    const member = await cluster.leader();
    const large = Array.from({ length: 60 }, () => 0);
    const [first, second] = await Promise.all([propose(member, large), propose(member, large)]);
    expect(first).toMatchObject({ type: "applied" });
    expect(second).toMatchObject({ type: "dropped", reason: "OVERLOADED" });
    expect(await propose(member, large)).toMatchObject({ type: "applied" });
  });

  test("applying pauses when its results are many bytes, and goes on", async () => {
    const cluster = await startCluster({ size: 1, options: { applyResultBytesMax: 16 } });
    const member = await cluster.leader();
    const outcomes = await Promise.all(Array.from({ length: 50 }, () => propose(member)));
    expect(outcomes.every((outcome) => outcome.type === "applied")).toBe(true);
    expect(await readTotal(member)).toBe(50);
  });

  test("over the limit, proposals are refused and nothing is half done", async () => {
    const cluster = await startCluster({ size: 1, options: { pendingProposalsMax: 5 } });
    const member = await cluster.leader();
    const outcomes = await Promise.all(Array.from({ length: 9 }, () => propose(member)));
    expect(outcomes.filter((outcome) => outcome.type === "applied")).toHaveLength(5);
    expect(outcomes.filter((outcome) => outcome.type === "dropped" && outcome.reason === "OVERLOADED")).toHaveLength(4);
    expect(await readTotal(member)).toBe(5);
  });
});
