import { expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { openStoreOver } from "../../src/storage/open-store-over.ts";
import { configured, ReplicaCluster, until } from "./replica-cluster.ts";

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
