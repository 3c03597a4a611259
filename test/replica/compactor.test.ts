import { expect, test } from "vitest";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { defaultCompactionOptions } from "../../src/replica/compaction-policy.ts";
import { type CompactionOutcome, Compactor } from "../../src/replica/compactor.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import type { StoreWriter } from "../../src/replica/store-writer.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";

const compaction = { ...defaultCompactionOptions, logEntriesMax: 100, trailingEntries: 10, intervalMs: 1000 };

/** A compactor of a log of 150 entries, all applied and durable, with everything around it in the test's hands. */
function start() {
  const node = {
    firstIndex: 1,
    lastIndex: 150,
    appliedIndex: 150,
    compact(index: number): LogBase {
      node.firstIndex = index + 1;
      return { index } as LogBase;
    },
  };
  const ends: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  const compacted: number[] = [];
  const writer = { durableAppliedIndex: 150, flushes: 0, flushRows: () => void writer.flushes++ };
  const around = { nowMs: 5000, installing: false, pinnedIndex: null as number | null };
  const failures: unknown[] = [];
  const told: unknown[] = [];
  const store = {
    logSizeBytes: 1500,
    compact({ index }: LogBase): Promise<void> {
      compacted.push(index);
      return new Promise((resolve, reject) => ends.push({ resolve, reject }));
    },
  };
  const compactor = new Compactor({
    node: node as unknown as RaftNode,
    store: store as Partial<MemberStore> as MemberStore,
    writer: writer as unknown as StoreWriter,
    options: { ...defaultReplicaOptions, compaction },
    metrics: { ...silentMetrics, compaction: (reason, entries) => void told.push([reason, entries]) },
    runtime: { ...processRuntime, now: () => around.nowMs },
    snapshots: {
      get pinnedIndex() {
        return around.pinnedIndex;
      },
    },
    isInstalling: () => around.installing,
    wake: () => {},
    fail: (error) => void failures.push(error),
  });
  const tick = (ms = 10) => {
    around.nowMs += ms;
    compactor.tick(around.nowMs);
  };
  const end = async () => {
    ends.shift()?.resolve();
    await new Promise(setImmediate);
  };
  return { node, writer, around, compactor, compacted, failures, told, ends, tick, end };
}

test("compacts a log over its limit, once, and looks at it again when that is durable", async () => {
  const { node, writer, compacted, told, tick, end } = start();
  tick();
  expect(compacted).toEqual([140]);
  [node.lastIndex, node.appliedIndex, writer.durableAppliedIndex] = [400, 400, 400];
  tick();
  expect([compacted, told]).toEqual([[140], []]);
  await end();
  expect(told).toEqual([["entries", 140]]);
  tick();
  expect(compacted).toEqual([140, 390]);
});

test("forgets nothing whose effects are not durable, whoever is ahead: the core or the store", () => {
  for (const [appliedIndex, durableAppliedIndex] of [
    [150, 60],
    [60, 150],
  ] as const) {
    const { node, writer, compacted, tick } = start();
    node.appliedIndex = appliedIndex;
    writer.durableAppliedIndex = durableAppliedIndex;
    tick();
    expect(compacted).toEqual([50]);
  }
});

test("waits while a snapshot takes the place of the log", () => {
  const { around, compacted, tick } = start();
  around.installing = true;
  tick();
  expect(compacted).toEqual([]);
  around.installing = false;
  tick();
  expect(compacted).toEqual([140]);
});

test("keeps what somebody needs who is fetching a snapshot", async () => {
  const { node, writer, around, compacted, tick, end } = start();
  around.pinnedIndex = 70;
  tick();
  await end();
  [node.lastIndex, node.appliedIndex, writer.durableAppliedIndex] = [180, 180, 180];
  tick();
  expect(compacted).toEqual([70]);
  around.pinnedIndex = null;
  tick();
  expect(compacted).toEqual([70, 170]);
});

test("compacts by time since the last compaction", async () => {
  const { node, compacted, told, tick, end } = start();
  tick();
  await end();
  [node.lastIndex, node.appliedIndex] = [160, 160];
  tick(999);
  expect(compacted).toEqual([140]);
  [node.firstIndex] = [101];
  tick(1);
  await end();
  expect([compacted, told.at(-1)]).toEqual([
    [140, 140],
    ["interval", 40],
  ]);
});

test("a request has the rows written first that are applied, and is served before anything else", async () => {
  const { node, writer, compactor, compacted, tick, end } = start();
  writer.durableAppliedIndex = 100;
  const outcomes: CompactionOutcome[] = [];
  const ask = (trailingEntries: number | null) =>
    compactor.request({ appliedIndex: 150, trailingEntries, deadlineMs: 9000 }, (outcome) => outcomes.push(outcome));
  ask(0);
  ask(null);
  tick();
  expect([writer.flushes, compacted, outcomes]).toEqual([1, [], []]);
  writer.durableAppliedIndex = 150;
  tick();
  await end();
  tick();
  expect(compacted).toEqual([150]);
  const compactedNow = { type: "compacted", firstIndex: 151, lastIndex: node.lastIndex, logSizeBytes: 1500 };
  expect(outcomes).toEqual([compactedNow, compactedNow]);
});

test("a request that is late, or left when the member stops, is refused", () => {
  const { writer, compactor, tick } = start();
  writer.durableAppliedIndex = 100;
  const outcomes: string[] = [];
  for (const deadlineMs of [5010, 9000]) {
    const options = { appliedIndex: 150, trailingEntries: 0, deadlineMs };
    compactor.request(options, ({ type }) => outcomes.push(`${type} ${deadlineMs}`));
  }
  tick();
  expect(outcomes).toEqual(["refused 5010"]);
  compactor.clear();
  expect(outcomes).toEqual(["refused 5010", "refused 9000"]);
});

test("a compaction that fails stops the member, and who asked for it hears so", async () => {
  const { compactor, failures, ends, tick } = start();
  const outcomes: string[] = [];
  compactor.request({ appliedIndex: 150, trailingEntries: 0, deadlineMs: 9000 }, ({ type }) => outcomes.push(type));
  tick();
  const error = new Error("input/output error");
  ends[0]?.reject(error);
  await new Promise(setImmediate);
  tick();
  expect([outcomes, failures, ends.length]).toEqual([["refused"], [error], 1]);
});
