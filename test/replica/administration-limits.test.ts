import { afterEach, describe, expect, test } from "vitest";
import type { OpenOutcome } from "../../src/replica/state-opener.ts";
import { openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { type ClusterMember, propose, ReplicaCluster } from "./replica-cluster.ts";

// All that is asked for at once waits until the next tick, so that it counts together.

const overloaded = { type: "overloaded", limit: 2 };
let cluster: ReplicaCluster;

async function startMember(): Promise<ClusterMember> {
  const options = { pendingAdministrationMax: 2 };
  cluster = await new ReplicaCluster({ size: 1, options, engine: () => openMemoryEngine() }).startAll();
  const member = await cluster.leader();
  await propose(member);
  return member;
}

afterEach(() => cluster.stopAll());

/** What `count` calls come to that are made at once. */
function atOnce<Outcome>(count: number, call: (done: (outcome: Outcome) => void) => void): Promise<Outcome[]> {
  return Promise.all(Array.from({ length: count }, () => new Promise<Outcome>(call)));
}

describe("of administrative calls only so many of a kind wait at once:", () => {
  test("compactions", async () => {
    const { replica } = await startMember();
    const ask = () =>
      atOnce(4, (done) => replica.compact({ trailingEntries: 0, deadlineMs: replica.now() + 5000 }, done));
    const compacted = expect.objectContaining({ type: "compacted" });
    expect(await ask()).toEqual([compacted, compacted, overloaded, overloaded]);
    expect(await ask()).toEqual([compacted, compacted, overloaded, overloaded]);
  });

  test("openings of the state", async () => {
    const { replica } = await startMember();
    const outcomes = await atOnce<OpenOutcome>(3, (done) => replica.openState(replica.now() + 5000, done));
    const opened = expect.objectContaining({ type: "opened" });
    expect(outcomes).toEqual([opened, opened, overloaded]);
    for (const outcome of outcomes) if (outcome.type === "opened") await outcome.state.snapshot.close();
  });

  test("waits for a hash, and no checkpoint is taken for one that is refused", async () => {
    const { replica } = await startMember();
    const waiting = atOnce(2, (done) => replica.hashState(1_000_000, replica.now() + 200, done));
    const before = replica.core.lastIndex;
    expect(await atOnce(1, (done) => replica.hashState(null, replica.now() + 5000, done))).toEqual([overloaded]);
    expect(replica.core.lastIndex).toBe(before);
    const late = { type: "late", index: 1_000_000 };
    expect(await waiting).toEqual([late, late]);
    expect(await atOnce(1, (done) => replica.hashState(null, replica.now() + 5000, done))).toMatchObject([
      { type: "hashed" },
    ]);
  });
});
