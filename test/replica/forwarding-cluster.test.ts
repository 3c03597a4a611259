import { afterEach, describe, expect, test } from "vitest";
import type { MemberId } from "../../src/raft/configuration.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { propose, ReplicaCluster, readNumber, until } from "./replica-cluster.ts";

/** A disk whose writes can be held up, and then let through or lost. */
class Disk {
  readonly #rows = new MemoryRows();
  #held: { readonly over: Promise<boolean>; readonly end: (kept: boolean) => void } | undefined;
  /** Whether a write waits that {@link Disk.hold} holds up. */
  holdsWrite = false;

  hold(): void {
    let end: (kept: boolean) => void = () => {};
    const over = new Promise<boolean>((resolve) => {
      end = resolve;
    });
    this.#held = { over, end };
  }

  /** Ends what {@link Disk.hold} began: with `kept` false the writes that waited fail and leave nothing. */
  end(kept: boolean): void {
    this.#held?.end(kept);
    this.#held = undefined;
    this.holdsWrite = false;
  }

  open(): StorageEngine {
    const engine = openMemoryEngine(this.#rows);
    return {
      ...engine,
      write: async (changes) => {
        this.holdsWrite = this.#held !== undefined;
        if (this.#held !== undefined && !(await this.#held.over)) throw new Error("power cut");
        await engine.write(changes);
      },
    };
  }
}

let cluster: ReplicaCluster;
let disks: ReadonlyMap<MemberId, Disk>;

async function startCluster(leaderWaitMs = 1000) {
  disks = new Map(["a", "b", "c"].map((id) => [id, new Disk()]));
  const diskOf = (id: MemberId) => disks.get(id) ?? expect.fail(`no disk of ${id}`);
  cluster = new ReplicaCluster({ engine: (id) => diskOf(id).open(), options: { leaderWaitMs } });
  await cluster.startAll();
  const leader = await cluster.leader();
  for (const member of cluster.members.values()) {
    await until(() => (member.replica.status().caughtUp ? true : undefined));
  }
  const [follower, other] = [...cluster.members.values()].filter((member) => member !== leader);
  if (follower === undefined || other === undefined) expect.fail("three members");
  return { leader, follower, other, diskOf };
}

afterEach(async () => {
  for (const disk of disks.values()) disk.end(true);
  await cluster.stopAll();
});

describe("a command that was passed on", () => {
  test("is not given the answer to one that its member passed on before a restart", async () => {
    const { leader, follower, other, diskOf } = await startCluster();
    const disk = diskOf(follower.id);
    await cluster.stop(other.id);
    const { lastIndex } = leader.replica.status();
    disk.hold();
    const before = propose(follower);
    await until(() => (leader.replica.status().lastIndex > lastIndex && disk.holdsWrite ? true : undefined));
    const stopped = cluster.stop(follower.id);
    disk.end(false);
    await expect(stopped).rejects.toMatchObject({ code: "WRITE_FAILED" });
    expect((await before).type).toBe("unknown");

    // The leader commits the first command, and answers it, only now that it has a follower again.
    const after = await propose(await cluster.start(follower.id));
    expect(after.type === "applied" && readNumber(after.result)).toBe(2);
  });
});
