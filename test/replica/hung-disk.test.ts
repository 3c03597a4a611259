import { afterEach, expect, test } from "vitest";
import { openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { type ClusterOptions, propose, ReplicaCluster, readTotal, until } from "./replica-cluster.ts";

const clusters: ReplicaCluster[] = [];

afterEach(async () => {
  for (const cluster of clusters.splice(0)) await cluster.stopAll();
});

/** A disk whose writes wait while it hangs, with the most that ever waited at once. */
class HangingDisk {
  waiting = 0;
  mostWaiting = 0;
  #hang: Promise<void> | undefined;
  #release: () => void = () => {};

  hang(): void {
    this.#hang = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  goOn(): void {
    this.#hang = undefined;
    this.#release();
  }

  engine(): StorageEngine {
    const engine = openMemoryEngine();
    const write = async (changes: Parameters<StorageEngine["write"]>[0]): Promise<void> => {
      this.waiting++;
      this.mostWaiting = Math.max(this.mostWaiting, this.waiting);
      await this.#hang;
      this.waiting--;
      await engine.write(changes);
    };
    return { ...engine, write };
  }
}

async function startCluster(options: Partial<ClusterOptions> = {}) {
  const disks = new Map(["a", "b", "c"].map((id) => [id, new HangingDisk()] as const));
  const diskOf = (id: string): HangingDisk => disks.get(id) ?? expect.fail(`no disk of ${id}`);
  const cluster = new ReplicaCluster({ engine: (id) => diskOf(id).engine(), ...options });
  clusters.push(cluster);
  await cluster.startAll();
  return { cluster, diskOf };
}

test("trap 94: a disk that hangs holds one write and no more, while its member goes on with all that needs no disk", async () => {
  const { cluster, diskOf } = await startCluster();
  const follower = await cluster.follower();
  const disk = diskOf(follower.id);
  disk.hang();
  for (let round = 0; round < 20; round++)
    expect(await propose(await cluster.leader())).toMatchObject({ type: "applied" });
  // The write that hangs is seen from outside, and nothing else waits with it for a thread of the pool.
  await until(() => follower.replica.diskWriteAgeMs() >= 200 || undefined);
  expect(disk).toMatchObject({ waiting: 1, mostWaiting: 1 });
  const { role, leaderId } = follower.replica.status();
  expect({ role, leaderId }).toEqual({ role: "follower", leaderId: (await cluster.leader()).id });
  expect(await propose(follower)).toMatchObject({ type: "applied" });
  disk.goOn();
  expect(await readTotal(follower)).toBe(21);
  expect(disk.mostWaiting).toBe(1);
});

test("trap 58: a leader whose disk hangs hands over, and does not come back before its disk does", async () => {
  const { cluster, diskOf } = await startCluster();
  const old = await cluster.leader();
  const others = [...cluster.members.values()].filter((member) => member !== old);
  diskOf(old.id).hang();
  // Acknowledged by the others, so that it is committed; the old leader cannot answer for it.
  const stranded = propose(old);
  const next = await until(() => others.find((member) => member.replica.status().role === "leader"));
  const { term } = next.replica.status();
  for (let round = 1; round <= 20; round++) expect(await propose(next)).toMatchObject({ type: "applied" });
  await until(() => old.replica.diskWriteAgeMs() >= 500 || undefined);
  expect(old.replica.status()).toMatchObject({ role: "follower", leaderId: next.id, term });
  expect(await propose(old)).toMatchObject({ type: "applied" });
  diskOf(old.id).goOn();
  expect(await stranded).toMatchObject({ type: "applied" });
  expect(await readTotal(old)).toBe(22);
});

test("trap 58: a write that does not end in time stops its member, and the others do without it", async () => {
  const { cluster, diskOf } = await startCluster({ options: { writeStallMsMax: 300 } });
  const old = await cluster.leader();
  diskOf(old.id).hang();
  const stranded = propose(old);
  const error = await until(() => old.fatal[0]);
  expect(error).toMatchObject({
    code: "WRITE_STALLED",
    message: expect.stringMatching(/\d{3} ms; the limit is 300 ms/),
  });
  expect(await stranded).toMatchObject({ type: "unknown" });
  expect(old.fatal).toHaveLength(1);
  cluster.members.delete(old.id);
  expect(await propose(await cluster.leader())).toMatchObject({ type: "applied" });
  diskOf(old.id).goOn();
  await old.replica.close();
});
