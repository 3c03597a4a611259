import { expect, test } from "vitest";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { propose, ReplicaCluster } from "./replica-cluster.ts";

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
