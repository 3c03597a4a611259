import { describe, expect, test } from "vitest";
import type { OpenOutcome } from "../../src/replica/state-opener.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StateSnapshot } from "../../src/storage/state-snapshot.ts";
import type { EngineSnapshot } from "../../src/storage/storage-engine.ts";
import { type ClusterMember, propose, ReplicaCluster } from "./replica-cluster.ts";

test("a state row that the store cannot give stops the member, whoever asks for it", async () => {
  let broken = false;
  const engine = openMemoryEngine(new MemoryRows());
  const cluster = await new ReplicaCluster({
    size: 1,
    engine: () => ({
      ...engine,
      get: (key) => {
        if (broken) throw new Error("input/output error");
        return engine.get(key);
      },
    }),
  }).startAll();
  const member = await cluster.leader();
  await propose(member);
  broken = true;
  expect(() => member.replica.stateRow(new Uint8Array([77]))).toThrow("input/output error");
  expect(member.fatal).toEqual([new Error("input/output error")]);
  expect(await propose(member)).toMatchObject({ type: "dropped", reason: "SHUTTING_DOWN" });
  await cluster.stopAll();
});

test("who waits for the state hears so when the store cannot open it", async () => {
  const engine = openMemoryEngine(new MemoryRows());
  const cluster = await new ReplicaCluster({
    size: 1,
    engine: () => ({
      ...engine,
      snapshot: () => {
        throw new Error("input/output error");
      },
    }),
  }).startAll();
  const { replica, fatal } = await cluster.leader();
  const open = () => new Promise((resolve) => replica.openState(replica.now() + 5000, resolve));
  expect(await Promise.all([open(), open()])).toEqual([{ type: "refused" }, { type: "refused" }]);
  expect(fatal).toEqual([new Error("input/output error")]);
  await cluster.stopAll();
});

describe("whoever reads the rows of an opened state", () => {
  let broken = false;
  let cluster: ReplicaCluster;

  async function openState(): Promise<{ member: ClusterMember; snapshot: StateSnapshot }> {
    broken = false;
    const engine = openMemoryEngine(new MemoryRows());
    const snapshot = (): EngineSnapshot => {
      const rows = engine.snapshot();
      return {
        ...rows,
        async *iterate(range, options) {
          if (broken) throw new Error("input/output error");
          yield* rows.iterate(range, options);
        },
      };
    };
    cluster = await new ReplicaCluster({ size: 1, engine: () => ({ ...engine, snapshot }) }).startAll();
    const member = await cluster.leader();
    await propose(member);
    const { replica } = member;
    const outcome = await new Promise<OpenOutcome>((resolve) => replica.openState(replica.now() + 5000, resolve));
    return { member, snapshot: outcome.type === "opened" ? outcome.state.snapshot : expect.fail(outcome.type) };
  }

  async function readAll(snapshot: StateSnapshot): Promise<number> {
    let count = 0;
    for await (const page of snapshot.rows(null, 1000)) count += page.length;
    return count;
  }

  test("stops the member by one that the store cannot give", async () => {
    const { member, snapshot } = await openState();
    expect(await readAll(snapshot)).toBe(1);
    broken = true;
    await expect(readAll(snapshot)).rejects.toThrow("input/output error");
    expect(member.fatal).toEqual([new Error("input/output error")]);
    await cluster.stopAll();
  });

  test("stops nobody by going on after it was closed", async () => {
    const { member, snapshot } = await openState();
    await snapshot.close();
    await expect(readAll(snapshot)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    expect(() => snapshot.get(Uint8Array.of(1))).toThrow("is closed");
    expect(member.fatal).toEqual([]);
    await cluster.stopAll();
  });
});
