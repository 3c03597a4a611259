import { afterEach, expect, test } from "vitest";
import { openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { propose, ReplicaCluster, readTotal, until } from "./replica-cluster.ts";

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

test("trap 94: a disk that hangs holds one write and no more, while its member goes on with all that needs no disk", async () => {
  const disks = new Map(["a", "b", "c"].map((id) => [id, new HangingDisk()] as const));
  const cluster = new ReplicaCluster({ engine: (id) => disks.get(id)?.engine() ?? expect.fail(id) });
  clusters.push(cluster);
  await cluster.startAll();
  const follower = await cluster.follower();
  const disk = disks.get(follower.id) ?? expect.fail("no disk");
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
