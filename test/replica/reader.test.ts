import { expect, test } from "vitest";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { Applier } from "../../src/replica/applier.ts";
import { Reader } from "../../src/replica/reader.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";

test("the reads that wait are counted without the member's own, also when it is cut off before it has caught up", () => {
  const reader = new Reader({
    node: {} as RaftNode,
    applier: {} as Applier,
    options: defaultReplicaOptions,
    metrics: silentMetrics,
    runtime: processRuntime,
    isDiverged: () => false,
  });
  const ended: unknown[] = [];
  const read = { deadlineMs: 1000, forward: true, receivedMs: 0 };
  reader.add({ ...read, done: (outcome) => ended.push(outcome) });
  expect(reader.size).toBe(1);
  reader.clear("STATE_DIVERGED");
  expect([reader.size, reader.caughtUp, ended]).toEqual([0, false, ["STATE_DIVERGED"]]);
});
