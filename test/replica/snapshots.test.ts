import { afterEach, describe, expect, test } from "vitest";
import type { CompactionOutcome } from "../../src/replica/compactor.ts";
import { decodeResult } from "../../src/server/key-value.ts";
import { encodeCommand, put, requestId } from "../kv/driver.ts";
import { durableState, KvCluster, type KvClusterOptions, missingKeys, putKeys } from "./kv-cluster.ts";
import { type ClusterMember, change, configured, propose, transfer, until } from "./replica-cluster.ts";

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

/** Stops a follower, and goes on until the log does not have any more what it lacks. */
async function leaveBehind(
  cluster: KvCluster,
  prepare: (leader: ClusterMember) => Promise<void> = async () => {},
): Promise<{ readonly id: string; readonly leader: ClusterMember }> {
  const { id } = await cluster.follower();
  const leader = await cluster.leader();
  await cluster.stop(id);
  await prepare(leader);
  await putKeys(leader, "k", 200);
  await until(() => (status(leader).firstIndex > 100 ? true : undefined));
  return { id, leader };
}

/** What a request to compact came to. */
function compact({ replica }: ClusterMember, trailingEntries: number | null, timeoutMs = 5000) {
  const options = { trailingEntries, deadlineMs: replica.now() + timeoutMs };
  return new Promise<CompactionOutcome>((resolve) => replica.compact(options, resolve));
}

/** The answer to a request of a session. */
async function request(member: ClusterMember, client: string, sequence: number) {
  const command = encodeCommand(put(`of-${client}`, "value", { id: requestId(client, sequence) }));
  const outcome = await propose(member, [...command]);
  return decodeResult(outcome.type === "applied" ? outcome.result : expect.fail(outcome.type));
}

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

/** Every way in which a snapshot comes. */
const forms = [
  ["rows", false],
  ["files", true],
] as const;

describe.each(forms)("a follower that is behind the compacted log gets a snapshot in %s, and", (_, inFiles) => {
  afterEach(() => {
    const steps = clusters.flatMap(({ directories }) => [...directories.values()].flatMap((each) => each.steps));
    expect(steps.includes("adopt")).toBe(inFiles);
  });

  test("while writes go on loses nothing", async () => {
    const cluster = await startCluster({ inFiles, snapshot: { chunkBytes: 500 } });
    const { id, leader } = await leaveBehind(cluster);
    const { term } = status(leader);
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
    expect(cluster.disk(id).snapshot().length).toBeGreaterThan(200);
  });

  test("takes longer than any time-out over it, and nobody is elected meanwhile", async () => {
    const cluster = await startCluster({ inFiles, snapshot: { chunkBytes: 200, bytesPerSecondMax: 4000 } });
    const { id, leader } = await leaveBehind(cluster);
    const { term } = status(leader);
    const follower = await cluster.start(id);
    const startedMs = follower.replica.now();
    const shares: number[] = [];
    await until(() => {
      const { snapshotReceived, firstIndex } = status(follower);
      if (snapshotReceived !== null) shares.push(snapshotReceived.bytes / snapshotReceived.totalBytes);
      return firstIndex > 100 ? true : undefined;
    });
    // Four election timeouts.
    expect(follower.replica.now() - startedMs).toBeGreaterThan(1000);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
    expect([status(follower).term, status(leader).role, status(leader).term]).toEqual([term, "leader", term]);
    expect(missingKeys(follower, "k", 200)).toEqual([]);
    await until(() => (status(leader).snapshotsSent.length === 0 ? true : undefined));
  });

  test("serves the reads that waited for it, from what it then has, with nothing applied after it", async () => {
    const cluster = await startCluster({ inFiles, snapshot: { chunkBytes: 500, bytesPerSecondMax: 40_000 } });
    const { id, leader } = await leaveBehind(cluster);
    // With everything durable the snapshot stands where the log ends.
    await compact(leader, 0);
    const follower = await cluster.start(id);
    await until(() => status(follower).snapshotReceived ?? undefined);
    const options = { deadlineMs: follower.replica.now() + 8000, forward: true };
    const missing = await new Promise((resolve) => {
      follower.replica.readIndex(options, (outcome) => resolve(outcome ?? missingKeys(follower, "k", 200).length));
    });
    expect(missing).toBe(0);
    expect(status(follower).firstIndex).toBe(status(leader).lastIndex + 1);
  });

  test("ends the waits for what it brings", async () => {
    const cluster = await startCluster({ inFiles, snapshot: { chunkBytes: 500, bytesPerSecondMax: 40_000 } });
    const { id } = await leaveBehind(cluster);
    const follower = await cluster.start(id);
    await until(() => status(follower).snapshotReceived ?? undefined);
    const reached = () => missingKeys(follower, "k", 200).length === 0;
    const deadlineMs = follower.replica.now() + 8000;
    expect(await new Promise((resolve) => follower.replica.waitApplied(reached, deadlineMs, resolve))).toBe(true);
  });

  test("goes on with what it has after its own restart", async () => {
    const received = { bytes: 0 };
    const cluster = await startCluster({
      inFiles,
      snapshot: { chunkBytes: 200, bytesPerSecondMax: 20_000 },
      metrics: {
        snapshotReceivedBytes: (bytes) => {
          received.bytes += bytes;
        },
      },
    });
    const { id } = await leaveBehind(cluster);
    let stateBytes = 0;
    for (const share of [0.2, 0.4, 0.6]) {
      const follower = await cluster.start(id);
      stateBytes = await until(() => {
        const { bytes = 0, totalBytes = 0 } = status(follower).snapshotReceived ?? {};
        return bytes > share * totalBytes && totalBytes > 0 ? totalBytes : undefined;
      });
      await cluster.stop(id);
    }
    const follower = await cluster.start(id);
    await until(() => (status(follower).firstIndex > 100 ? true : undefined));
    expect(missingKeys(follower, "k", 200)).toEqual([]);
    // Begun anew at each restart it would have fetched more than twice as much.
    expect(received.bytes).toBeLessThan(1.5 * stateBytes);
  });

  test("gets the rest from the next leader when the one that it was fetching from is gone", async () => {
    const cluster = await startCluster({ inFiles, snapshot: { chunkBytes: 200, bytesPerSecondMax: 20_000 } });
    const { id, leader } = await leaveBehind(cluster);
    const follower = await cluster.start(id);
    await until(() => (status(follower).snapshotReceived?.bytes ? true : undefined));
    await cluster.stop(leader.id);
    const next = await cluster.leader();
    expect(next.id).not.toBe(leader.id);
    await putKeys(next, "later", 5);
    await caughtUp(follower, next);
    expect([missingKeys(follower, "k", 200), missingKeys(follower, "later", 5)]).toEqual([[], []]);
  });

  test("ends the proposals that it had as leader, each once and none as if it knew", async () => {
    const cluster = await startCluster({ inFiles });
    const old = await cluster.leader();
    await putKeys(old, "k", 20);
    for (const id of cluster.ids) if (id !== old.id) cluster.network.cut(old.id, id);
    const outcomes: string[][] = Array.from({ length: 5 }, () => []);
    const deadlineMs = old.replica.now() + 60_000;
    for (const ended of outcomes) {
      const command = encodeCommand(put("lost", "?"));
      old.replica.propose(command, { deadlineMs, forward: false }, ({ type }) => ended.push(type));
    }
    const next = await until(() =>
      [...cluster.members.values()].find((member) => member !== old && status(member).role === "leader"),
    );
    await putKeys(next, "next", 100);
    await until(() => (status(next).firstIndex > status(old).lastIndex + 1 ? true : undefined));
    expect(outcomes).toEqual(outcomes.map(() => []));
    for (const id of cluster.ids) cluster.network.heal(old.id, id);
    await caughtUp(old, next);
    expect(status(old).firstIndex).toBeGreaterThan(30);
    expect(outcomes).toEqual(outcomes.map(() => ["unknown"]));
    expect(status(old).pendingProposals).toBe(0);
    expect(missingKeys(old, "next", 100)).toEqual([]);
  });

  test("keeps sessions, and ends the same ones as the others do", async () => {
    const cluster = await startCluster({ inFiles, kvLimits: { sessionsMax: 3 } });
    const { id, leader } = await leaveBehind(cluster, async (member) => {
      for (const client of ["c1", "c2", "c3"]) await request(member, client, 1);
    });
    const follower = await cluster.start(id);
    await until(() => (status(follower).firstIndex > 100 ? true : undefined));
    // One session more than there may be ends the one that was used least lately, which an index in memory finds.
    await request(leader, "c4", 1);
    expect(await transfer(leader, id)).toMatchObject({ type: "transferred" });
    const answers = [await request(follower, "c2", 1), await request(follower, "c1", 1)];
    expect(answers.map(({ result }) => result.case)).toEqual(["put", "failure"]);
    await putKeys(follower, "end", 1);
    // The last rows are written a little later.
    const states = await until(() => {
      const all = cluster.ids.map((each) => durableState(cluster.disk(each)).join("\n"));
      return new Set(all).size === 1 ? all : undefined;
    });
    expect(states[0]?.split("\n").length).toBeGreaterThan(200);
  });
});

describe.each(forms)("a new member gets a snapshot in %s, and", (_, inFiles) => {
  test("of a compacted cluster begins with a snapshot, and becomes a voter", async () => {
    const cluster = await startCluster({ inFiles });
    const leader = await cluster.leader();
    await putKeys(leader, "k", 200);
    const member = await cluster.join("d");
    expect(await change(leader, { type: "add", member: configured("d") })).toMatchObject({ type: "changed" });
    await until(() => (status(member).configuration.voters.includes("d") ? true : undefined));
    expect(status(member).firstIndex).toBeGreaterThan(100);
    expect(missingKeys(member, "k", 200)).toEqual([]);
  });

  test("takes the place of one that lost its data", async () => {
    const cluster = await startCluster({ inFiles });
    const { id, leader } = await leaveBehind(cluster);
    await cluster.join("d");
    const inItsPlace = { ...configured("d"), name: `name-${id}`, peerAddress: id };
    expect(await change(leader, { type: "replace", old: id, member: inItsPlace })).toMatchObject({ type: "changed" });
    const member = cluster.members.get("d") ?? expect.fail("no new member");
    await until(() => (status(member).configuration.voters.includes("d") ? true : undefined));
    expect(missingKeys(member, "k", 200)).toEqual([]);
  });
});

describe("compaction on request", () => {
  test("forgets what is applied, but for as much as is to be kept", async () => {
    // Rows that wait for a log write are not durable: only the request makes them so.
    const cluster = await startCluster({ compaction: { logEntriesMax: 1000 }, replica: { waitingRowsMs: 600_000 } });
    const leader = await cluster.leader();
    await putKeys(leader, "k", 50);
    const { appliedIndex, lastIndex } = status(leader);
    expect(await compact(leader, 10)).toMatchObject({ type: "compacted", firstIndex: appliedIndex - 9, lastIndex });
    expect(await compact(leader, 30)).toMatchObject({ type: "compacted", firstIndex: appliedIndex - 9 });
    expect(await compact(leader, null)).toMatchObject({ type: "compacted", firstIndex: appliedIndex - 4 });
    expect(await compact(leader, 0)).toMatchObject({ firstIndex: appliedIndex + 1, logSizeBytes: 0 });
    await putKeys(leader, "later", 5);
    for (const member of cluster.members.values()) await caughtUp(member, leader);
  });

  test("is refused when it cannot be done in time, and by a member that has stopped", async () => {
    const cluster = await startCluster({ compaction: { logEntriesMax: 1000 } });
    const leader = await cluster.leader();
    expect(await compact(leader, 0, 0)).toEqual({ type: "refused" });
    await cluster.stop(leader.id);
    expect(await compact(leader, 0)).toEqual({ type: "refused" });
  });
});
