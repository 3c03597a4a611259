import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { CompactionOutcome } from "../../src/replica/compactor.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { openStoreOver } from "../../src/storage/open-store-over.ts";
import { configured, propose, ReplicaCluster, until } from "./replica-cluster.ts";

test("a failure of what the store does by itself stops the member, though nothing is written", async () => {
  const rows = new MemoryRows();
  const store = await openStoreOver({
    engine: openMemoryEngine(rows),
    clusterId: "cluster",
    memberId: "a",
    bootstrapConfiguration: votersOnly(["a", "b", "c"].map(configured)),
    logger: silentLogger,
    newDirectoryId: () => "a".repeat(32),
  });
  const hardState = { term: 1, votedFor: null, commitIndex: 1 };
  const entries = [{ kind: "noop", index: 1, term: 1, timeMs: 1 }] as const;
  await store.write({ hardState, entries, stateChanges: [], appliedIndex: 1 });
  const configuration = { index: 0, configuration: store.identity.bootstrapConfiguration };
  await store.compact({ index: 1, term: 1, configuration });
  await store.close();

  // What a compaction left to be removed is removed after a start; alone, this member neither votes nor writes.
  let fail: (error: Error) => void = () => {};
  const clear = () =>
    new Promise<void>((_, reject) => {
      fail = reject;
    });
  const cluster = new ReplicaCluster({ engine: () => ({ ...openMemoryEngine(rows), clear }) });
  const member = await cluster.start("a");
  fail(new Error("input/output error"));
  await until(() => member.fatal[0]);
  expect(member.fatal).toMatchObject([{ code: "WRITE_FAILED" }]);
  await cluster.stopAll();
});

describe("metrics that throw when the store is done stop the member, and nobody waits in vain:", () => {
  async function startMember(name: "writeDuration" | "compaction") {
    const metrics = { broken: false };
    const count = () => {
      if (metrics.broken) throw new Error("not to be counted");
    };
    const cluster = new ReplicaCluster({ size: 1, engine: () => openMemoryEngine(), metrics: { [name]: count } });
    onTestFinished(() => cluster.stopAll());
    const member = await (await cluster.startAll()).leader();
    await propose(member);
    metrics.broken = true;
    return member;
  }

  test("with a write", async () => {
    const member = await startMember("writeDuration");
    expect(await propose(member)).toMatchObject({ type: "unknown" });
    expect(member.fatal).toEqual([new Error("not to be counted")]);
  });

  test("with a compaction", async () => {
    const { replica, fatal } = await startMember("compaction");
    const options = { trailingEntries: 0, deadlineMs: replica.now() + 5000 };
    const outcome = await new Promise<CompactionOutcome>((resolve) => replica.compact(options, resolve));
    expect(outcome).toMatchObject({ type: "compacted" });
    expect(await until(() => fatal[0])).toEqual(new Error("not to be counted"));
  });
});

test("a member whose last write fails while it ends in order says so", async () => {
  const engine = openMemoryEngine(new MemoryRows());
  let broken = false;
  const write: typeof engine.write = (changes) =>
    broken ? Promise.reject(new Error("input/output error")) : engine.write(changes);
  // What is applied last would wait for a minute.
  const options = { waitingRowsMs: 60_000 };
  const cluster = new ReplicaCluster({ size: 1, engine: () => ({ ...engine, write }), options });
  const member = await (await cluster.startAll()).leader();
  await propose(member);
  broken = true;
  await expect(member.replica.close()).rejects.toMatchObject({ code: "WRITE_FAILED" });
  expect(member.fatal).toEqual([]);
  await expect(engine.write([])).rejects.toMatchObject({ code: "STORE_CLOSED" });
});
