import { expect, test } from "vitest";
import type { Entry } from "../../src/raft/entry.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { Applier } from "../../src/replica/applier.ts";
import { AppendedProposals } from "../../src/replica/proposal.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { StateView } from "../../src/replica/state-view.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { openOver } from "../storage/store-fixture.ts";
import { countingMachine } from "./replica-cluster.ts";

/** An applier of a log in which entries 3 and 6 are no-ops, of which the latter begins a term. */
async function openApplier() {
  const store = await openOver(new MemoryRows());
  const view = await StateView.load(store, countingMachine.indexPrefix);
  const entryAt = (index: number): Entry =>
    index % 3 === 0
      ? { kind: "noop", index, term: 1, timeMs: 0 }
      : { kind: "command", index, term: 1, timeMs: 0, command: new Uint8Array([0]) };
  const node: unknown = {
    entries: (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, at) => entryAt(first + at)),
    isCheckpoint: (index: number) => index === 3,
    applied: () => {},
  };
  const failed: unknown[] = [];
  const applier = new Applier(
    {
      node: node as RaftNode,
      store,
      stateMachine: countingMachine,
      view,
      proposals: new AppendedProposals(),
      options: defaultReplicaOptions,
      metrics: silentMetrics,
      runtime: processRuntime,
      wake: () => {},
      fail: (error) => void failed.push(error),
    },
    0,
  );
  return { applier, failed };
}

test("applying pauses at a checkpoint, until it is released, and at no other entry that changes nothing", async () => {
  const { applier, failed } = await openApplier();
  applier.ask({ first: 1, last: 8 });
  expect(applier.applySlice()).toBe(3);
  expect([applier.appliedIndex, applier.heldAt, applier.hasWork]).toEqual([3, 3, false]);
  expect([applier.applySlice(), applier.appliedIndex]).toEqual([0, 3]);
  applier.release();
  expect([applier.hasWork, applier.applySlice(), applier.appliedIndex]).toEqual([true, 5, 8]);
  expect([applier.heldAt, applier.hasWork, failed]).toEqual([null, false, []]);
});

test("a snapshot that takes the state's place ends the pause", async () => {
  const { applier } = await openApplier();
  applier.ask({ first: 1, last: 3 });
  applier.applySlice();
  applier.installed(20);
  expect([applier.appliedIndex, applier.heldAt]).toEqual([20, null]);
});
