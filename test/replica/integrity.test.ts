import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, test } from "vitest";
import { createKvStateMachine } from "../../src/kv/kv-state-machine.ts";
import type { HashOutcome } from "../../src/replica/hash-waiters.ts";
import { defaultIntegrityOptions, type IntegrityOptions } from "../../src/replica/integrity-options.ts";
import type { StateMachine } from "../../src/replica/state-machine.ts";
import { wrapRow } from "../../src/storage/checksummed-row.ts";
import { type MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { firstGeneration, generationRange, logRange } from "../../src/storage/row-keys.ts";
import type { KeyRange } from "../../src/storage/storage-engine.ts";
import { KvCluster, type KvClusterOptions, putKeys } from "./kv-cluster.ts";
import { type ClusterMember, readTotal, transfer, until } from "./replica-cluster.ts";

const pairPrefix = 0x6b;

const clusters: KvCluster[] = [];
const compared: string[] = [];
const read = { rows: 0, entries: 0 };
let ended = 0;

type OpenEngine = NonNullable<KvClusterOptions["openEngine"]>;

/** A disk on which every write takes a few milliseconds, so that one is nearly always under way. */
const slowEngine: OpenEngine = (_id, rows) => {
  const engine = openMemoryEngine(rows);
  return { ...engine, write: (changes) => delay(3).then(() => engine.write(changes)) };
};

/** The key-value machine as a release might be that leaves one row more, and says so or does not. */
function machineWithOtherRows(version: number): StateMachine {
  const machine = createKvStateMachine();
  return {
    version,
    indexPrefix: machine.indexPrefix,
    inspect: (command) => machine.inspect(command),
    apply(command, context, rows) {
      rows.put(otherRow, Uint8Array.of(context.index % 256));
      return machine.apply(command, context, rows);
    },
  };
}

const otherRow = Uint8Array.of(0x7a);

async function startCluster(
  integrity: Partial<IntegrityOptions> = {},
  size = 3,
  different: Pick<KvClusterOptions, "openEngine" | "stateMachineOf"> = {},
): Promise<KvCluster> {
  const cluster = new KvCluster({
    size,
    ...different,
    metrics: {
      hashCompared: (result) => void compared.push(result),
      scrubbed: ({ rows, entries }) => {
        read.rows += rows;
        read.entries += entries;
      },
      scrubEnded: () => {
        ended++;
      },
    },
    replica: { integrity: { ...defaultIntegrityOptions, checkIntervalMs: 0, askIntervalMs: 20, ...integrity } },
  });
  clusters.push(cluster);
  return cluster.startAll();
}

afterEach(async () => {
  compared.length = 0;
  ended = 0;
  for (const cluster of clusters.splice(0)) {
    expect([...cluster.members.values()].flatMap(({ fatal }) => fatal)).toEqual([]);
    await cluster.stopAll();
  }
});

/** What a member says of its hash at a checkpoint; `null` takes a new one. */
function hashState({ replica }: ClusterMember, index: number | null, timeoutMs = 5000): Promise<HashOutcome> {
  return new Promise((resolve) => replica.hashState(index, replica.now() + timeoutMs, resolve));
}

async function hashed(member: ClusterMember, index: number | null) {
  const outcome = await hashState(member, index);
  return outcome.type === "hashed" ? outcome.result : expect.fail(outcome.type);
}

const nextCheckpoint = async (cluster: KvCluster) => hashed(await cluster.leader(), null);
const times = (result: string): number => compared.filter((each) => each === result).length;
const integrity = ({ replica }: ClusterMember) => replica.status().integrity;

/** Changes one row of a state on a disk, its checksum with it, as a fault of the machine would that nobody notices. */
function changeRow(disk: MemoryRows | undefined): void {
  const { start, end } = generationRange(firstGeneration);
  const rows =
    disk?.snapshot().filter(([key]) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0) ?? [];
  const [key, value] = rows.find(([row]) => row[start.length] === pairPrefix) ?? expect.fail("no such row");
  const content = Uint8Array.from(value.subarray(4));
  content[content.length - 1] = (content.at(-1) ?? 0) ^ 1;
  disk?.apply({ type: "put", key, value: wrapRow(key, content) });
}

/** Flips a bit of a row in the middle of a range. */
function flipBit(disk: MemoryRows | undefined, { start, end }: KeyRange): void {
  const rows =
    disk?.snapshot().filter(([key]) => Buffer.compare(key, start) >= 0 && Buffer.compare(key, end) < 0) ?? [];
  const [key, value] = rows[Math.floor(rows.length / 2)] ?? expect.fail("no row");
  const flipped = Uint8Array.from(value);
  flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1;
  disk?.apply({ type: "put", key, value: flipped });
}

/** Restarts a member that follows over a disk that has another row than it should. */
async function corrupt(cluster: KvCluster, follower?: ClusterMember): Promise<ClusterMember> {
  const { id } = follower ?? (await cluster.follower());
  // Everything is on its disk then.
  await hashed(cluster.members.get(id) ?? expect.fail(id), (await nextCheckpoint(cluster)).index);
  await cluster.stop(id);
  changeRow(cluster.disk(id));
  return cluster.start(id);
}

const everyone = (cluster: KvCluster) => [...cluster.members.values()];

describe("a checkpoint", () => {
  test("comes to one hash on every member, and to another once a key has changed", async () => {
    const cluster = await startCluster();
    const leader = await cluster.leader();
    await putKeys(leader, "k", 30);
    const first = await hashed(leader, null);
    expect(first).toMatchObject({ revision: 30, hash: expect.stringMatching(/^[0-9a-f]{64}$/) });
    for (const member of everyone(cluster)) expect(await hashed(member, first.index)).toEqual(first);
    await putKeys(leader, "other", 1);
    const second = await hashed(leader, null);
    expect(second.hash).not.toBe(first.hash);
    for (const member of everyone(cluster)) expect(await hashed(member, second.index)).toEqual(second);
  });

  test("is taken while writes go on, of the state exactly there, on disks that are slow", async () => {
    const cluster = await startCluster({}, 3, { openEngine: slowEngine });
    const leader = await cluster.leader();
    let writing = true;
    const write = async (writer: string): Promise<void> => {
      for (let round = 0; writing; round++) await putKeys(leader, `${writer}-${round}-`, 3);
    };
    const writers = Array.from({ length: 12 }, (_, number) => write(`w${number}`));
    for (let round = 0; round < 5; round++) {
      const result = await hashed(leader, null);
      for (const member of everyone(cluster)) expect(await hashed(member, result.index)).toEqual(result);
    }
    writing = false;
    await Promise.all(writers);
  });

  test("is taken by the leader by itself, again and again, and found to agree", async () => {
    const cluster = await startCluster({ checkIntervalMs: 50 });
    await putKeys(await cluster.leader(), "k", 5);
    await until(() => everyone(cluster).every((member) => integrity(member).lastHash?.revision === 5) || undefined);
    await until(() => compared.filter((result) => result === "agreed").length >= 9 || undefined);
    expect(everyone(cluster).map((member) => integrity(member).divergence)).toEqual([null, null, null]);
  });

  test("is shared by those who ask while it is under way", async () => {
    const cluster = await startCluster({}, 3, { openEngine: slowEngine });
    const leader = await cluster.leader();
    await putKeys(leader, "k", 5);
    const [first, ...others] = await Promise.all(Array.from({ length: 5 }, () => hashed(leader, null)));
    for (const other of others) expect(other).toEqual(first);
    expect((await hashed(leader, null)).index).toBeGreaterThan(first?.index ?? 0);
  });

  test("is not taken by a member that does not lead", async () => {
    const cluster = await startCluster();
    expect(await hashState(await cluster.follower(), null)).toEqual({ type: "notLeader" });
  });

  test("at an index that is none, or not reached in time, has no hash", async () => {
    const cluster = await startCluster();
    const leader = await cluster.leader();
    await putKeys(leader, "k", 5);
    expect(await hashState(leader, 3)).toEqual({ type: "skipped" });
    expect(await hashState(leader, 1000, 30)).toEqual({ type: "late", index: 1000 });
  });
});

describe("a member whose state differs", () => {
  test("is cut off, alone, and stays so after a restart", async () => {
    const cluster = await startCluster();
    await putKeys(await cluster.leader(), "k", 30);
    const wrong = await corrupt(cluster);
    const { id } = wrong;
    const leader = await cluster.leader();
    const { index } = await hashed(leader, null);
    await until(() => integrity(wrong).divergence ?? undefined);
    expect(integrity(wrong).divergence).toMatchObject({ index });
    expect(await readTotal(wrong)).toBe("STATE_DIVERGED");
    const others = everyone(cluster).filter((member) => member !== wrong);
    expect(others.map((member) => integrity(member).divergence)).toEqual([null, null]);
    await cluster.stop(id);
    const restarted = await cluster.start(id);
    expect(integrity(restarted).divergence).toMatchObject({ index });
    expect(await readTotal(restarted)).toBe("STATE_DIVERGED");
  });

  test("hands over if it leads, and does not lead any more", async () => {
    const cluster = await startCluster();
    await putKeys(await cluster.leader(), "k", 30);
    const wrong = await corrupt(cluster);
    const { id } = wrong;
    await putKeys(await cluster.leader(), "later", 1);
    expect(await transfer(await cluster.leader(), id)).toMatchObject({ type: "transferred" });
    await until(() => (wrong.replica.status().role === "leader" ? true : undefined));
    const outcome = await hashState(wrong, null);
    expect(outcome.type).toBe("hashed");
    await until(() => integrity(wrong).divergence ?? undefined);
    const next = await until(() =>
      everyone(cluster).find((member) => member !== wrong && member.replica.status().role === "leader"),
    );
    expect(await transfer(next, id, 300)).toEqual({ type: "failed" });
    expect(wrong.replica.status().role).toBe("follower");
  });

  test("because it is of another version is not compared; of the same version it is cut off", async () => {
    for (const version of [1, 2]) {
      compared.length = 0;
      const stateMachineOf = (id: string) => (id === "c" ? machineWithOtherRows(version) : createKvStateMachine());
      const cluster = await startCluster({}, 3, { stateMachineOf });
      await putKeys(await cluster.leader(), "k", 30);
      const { index } = await nextCheckpoint(cluster);
      const hashes = await Promise.all(everyone(cluster).map((member) => hashed(member, index)));
      expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(2);
      await until(() => times("agreed") === 2 || undefined);
      // At the next checkpoint a comparison ends that has not come to an end by itself.
      if (version === 2)
        await hashed(cluster.members.get("c") ?? expect.fail("c"), (await nextCheckpoint(cluster)).index);
      const end = version === 1 ? "outvoted" : "unfinished";
      await until(() => times(end) === 1 || undefined);
      expect(compared.filter((result) => result !== "agreed")).toEqual([end]);
      const cutOff = everyone(cluster).filter((member) => integrity(member).divergence !== null);
      expect(cutOff.map(({ id }) => id)).toEqual(version === 1 ? ["c"] : []);
    }
  });

  test("is cut off during an upgrade too, and the upgraded member is not", async () => {
    const stateMachineOf = (id: string) => (id === "e" ? machineWithOtherRows(2) : createKvStateMachine());
    const cluster = await startCluster({}, 5, { stateMachineOf });
    await putKeys(await cluster.leader(), "k", 30);
    await cluster.leader();
    const follower = everyone(cluster).find(({ id, replica }) => id !== "e" && replica.status().role === "follower");
    const wrong = await corrupt(cluster, follower);
    const { index } = await nextCheckpoint(cluster);
    await until(() => integrity(wrong).divergence ?? undefined);
    expect(integrity(wrong).divergence).toMatchObject({ index });
    const others = everyone(cluster).filter((member) => member !== wrong);
    const last = await nextCheckpoint(cluster);
    for (const member of others) await hashed(member, last.index);
    expect(others.map((member) => integrity(member).divergence)).toEqual([null, null, null, null]);
  });

  test("is nobody where no majority agrees: all are told, and none is cut off", async () => {
    const cluster = await startCluster({}, 2);
    await putKeys(await cluster.leader(), "k", 30);
    await corrupt(cluster);
    await hashed(await cluster.leader(), null);
    await until(() => everyone(cluster).every((member) => integrity(member).split) || undefined);
    expect(everyone(cluster).map((member) => integrity(member).divergence)).toEqual([null, null]);
  });
});

describe("reading back", () => {
  test("goes over every row and every entry, and ends", async () => {
    const cluster = await startCluster({ pageBytes: 50 });
    const leader = await cluster.leader();
    await putKeys(leader, "k", 30);
    read.rows = 0;
    read.entries = 0;
    const { rows, index } = await hashed(leader, null);
    const entries = index - leader.replica.status().firstIndex + 1;
    await until(() => ended >= 3 || undefined);
    expect(read).toEqual({ rows: 3 * rows, entries: 3 * entries });
  });

  test("stops the member that finds a row or an entry damaged, which names it", async () => {
    for (const [range, code] of [
      [generationRange(firstGeneration), "STATE_CORRUPT"],
      [logRange, "LOG_CORRUPT"],
    ] as const) {
      const cluster = await startCluster({}, 1);
      const member = await cluster.leader();
      await putKeys(member, "k", 30);
      await hashed(member, null);
      flipBit(cluster.disk(member.id), range);
      await hashState(member, null, 200);
      await until(() => member.fatal.length > 0 || undefined);
      expect(member.fatal).toEqual([expect.objectContaining({ code })]);
      member.fatal.splice(0);
    }
  });
});
