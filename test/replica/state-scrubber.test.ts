import { expect, test } from "vitest";
import { defaultIntegrityOptions } from "../../src/replica/integrity-options.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { StateScrubber } from "../../src/replica/state-scrubber.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import type { StateSnapshot } from "../../src/storage/state-snapshot.ts";
import { command } from "../storage/store-fixture.ts";
import { countingMachine } from "./replica-cluster.ts";

/** A state of one row, at an index. */
function snapshotAt(appliedIndex: number): StateSnapshot {
  const row = [Buffer.from("key"), Buffer.from("value")] as const;
  return {
    appliedIndex,
    get: () => undefined,
    rows: async function* (after) {
      if (after === null) yield [row];
    },
    close: async () => {},
  };
}

test("checkpoints that come again and again keep no entry of the log from being read back", async () => {
  const read: number[] = [];
  const hashed: number[] = [];
  let ended = 0;
  let entriesSinceCheckpoint = 0;
  let nextCheckpoint = 100;
  const store: unknown = {
    logFirstIndex: 1,
    readEntries: async (from: number) => {
      read.push(from);
      entriesSinceCheckpoint++;
      return [command(from, 1)];
    },
  };
  const ticks: (() => void)[] = [];
  const scrubber = new StateScrubber({
    store: store as MemberStore,
    stateMachine: countingMachine,
    options: { ...defaultReplicaOptions, integrity: { ...defaultIntegrityOptions, bytesPerSecondMax: 0 } },
    metrics: { ...silentMetrics, scrubEnded: () => void ended++ },
    runtime: { ...processRuntime, soon: (call) => void ticks.push(call) },
    guarded: (part) => part(),
    fail: (error) => expect.fail(String(error)),
    hashed: ({ index }) => void hashed.push(index),
  });
  scrubber.begin(snapshotAt(nextCheckpoint));
  for (let turns = 0; ended === 0 && turns < 1000; turns++) {
    await new Promise((resolve) => setImmediate(resolve));
    for (const tick of ticks.splice(0)) tick();
    if (entriesSinceCheckpoint < 10) continue;
    entriesSinceCheckpoint = 0;
    scrubber.begin(snapshotAt(++nextCheckpoint));
  }
  expect(ended).toBe(1);
  // Whatever was under way when a checkpoint came is read once more.
  expect(new Set(read).size).toBe(nextCheckpoint);
  expect(read.length).toBeLessThan(2 * nextCheckpoint);
  expect(hashed).toEqual(Array.from({ length: hashed.length }, (_, at) => 100 + at));
});

test("a snapshot is let go of when its rows are read, before the log is", async () => {
  let closed = 0;
  const snapshot = { ...snapshotAt(100), close: async () => void closed++ };
  const scrubbed: unknown[] = [];
  const store: unknown = {
    logFirstIndex: 100,
    readEntries: async () => {
      scrubbed.push(`log read, closed ${closed} times`);
      return [command(100, 1)];
    },
  };
  const ended = new Promise<void>((resolve) => {
    const scrubber = new StateScrubber({
      store: store as MemberStore,
      stateMachine: countingMachine,
      options: { ...defaultReplicaOptions, integrity: { ...defaultIntegrityOptions, bytesPerSecondMax: 0 } },
      metrics: { ...silentMetrics, scrubEnded: () => resolve() },
      runtime: processRuntime,
      guarded: (part) => part(),
      fail: (error) => expect.fail(String(error)),
      hashed: ({ index }) => void scrubbed.push(`hashed at ${index}`),
    });
    scrubber.begin(snapshot);
  });
  await ended;
  expect(scrubbed).toEqual(["hashed at 100", "log read, closed 1 times"]);
});
