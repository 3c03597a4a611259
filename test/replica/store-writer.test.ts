import { expect, onTestFinished, test } from "vitest";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { StateView } from "../../src/replica/state-view.ts";
import { StoreWriter } from "../../src/replica/store-writer.ts";
import type { StoreBatch } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { openOver } from "../storage/store-fixture.ts";

/** A writer whose store only remembers what it was to write, with the view and the applied index in the test's hands. */
async function openWriter() {
  const store = await openOver(new MemoryRows());
  onTestFinished(() => store.close());
  const view = await StateView.load(store, Uint8Array.of(1));
  const batches: StoreBatch[] = [];
  const state = { appliedIndex: 0, view, batches };
  const writer = new StoreWriter(
    {
      store: {
        ...store,
        write: async (batch) => {
          batches.push(batch);
        },
      },
      view,
      options: defaultReplicaOptions,
      metrics: silentMetrics,
      runtime: processRuntime,
      appliedIndex: () => state.appliedIndex,
      written: () => {},
      fail: (error) => {
        throw error;
      },
    },
    0,
  );
  const apply = (index: number): void => {
    state.appliedIndex = index;
  };
  return { ...state, writer, apply };
}

test("rows are written under the index that they bring the state to", async () => {
  const { view, batches, writer, apply } = await openWriter();
  for (const index of [1, 2]) view.put(Buffer.from(`row of ${index}`), Buffer.of(index));
  apply(2);
  writer.flushRows("now");
  expect(batches).toHaveLength(1);
  expect(batches[0]).toMatchObject({ appliedIndex: 2, stateChanges: [{ type: "put" }, { type: "put" }] });
});

test("an applied index counts as durable when it is written, not before", async () => {
  const { view, writer, apply } = await openWriter();
  view.put(Buffer.from("row"), Buffer.of(1));
  apply(1);
  expect(writer.durableAppliedIndex).toBe(0);
  writer.flushRows("now");
  expect(writer.durableAppliedIndex).toBe(0);
  await new Promise(setImmediate);
  expect([writer.durableAppliedIndex, writer.busy]).toEqual([1, false]);
});

test("what a snapshot brought is durable and need not be written", async () => {
  const { batches, writer, apply } = await openWriter();
  apply(40);
  writer.installed(40);
  writer.flushRows("now");
  expect([writer.durableAppliedIndex, batches]).toEqual([40, []]);
});

test("an orderly end writes the rows that wait, behind the write under way", async () => {
  const { view, batches, writer, apply } = await openWriter();
  apply(1);
  writer.flushRows("now");
  view.put(Buffer.from("row"), Buffer.of(2));
  apply(2);
  await writer.finish();
  expect(batches.map(({ appliedIndex }) => appliedIndex)).toEqual([1, 2]);
  await writer.finish();
  expect([writer.durableAppliedIndex, batches.length]).toEqual([2, 2]);
});

test("rows that may be of an entry applied by half are never written", async () => {
  const { view, batches, writer, apply } = await openWriter();
  view.put(Buffer.from("row"), Buffer.of(1));
  apply(1);
  writer.abandon();
  await writer.finish();
  expect(batches).toEqual([]);
});
