import { expect, test } from "vitest";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { StateView } from "../../src/replica/state-view.ts";
import { StoreWriter } from "../../src/replica/store-writer.ts";
import type { StoreBatch } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { openOver } from "../storage/store-fixture.ts";

test("rows are written under the index that they bring the state to", async () => {
  const store = await openOver(new MemoryRows());
  const view = await StateView.load(store, Uint8Array.of(1));
  const batches: StoreBatch[] = [];
  let applied = 0;
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
      appliedIndex: () => applied,
      written: () => {},
      fail: (error) => {
        throw error;
      },
    },
    0,
  );
  for (applied = 1; applied < 3; applied++) view.put(Buffer.from(`row of ${applied}`), Buffer.of(applied));
  writer.flushRows("now");
  expect(batches).toHaveLength(1);
  expect(batches[0]).toMatchObject({ appliedIndex: applied, stateChanges: [{ type: "put" }, { type: "put" }] });
  await store.close();
});
