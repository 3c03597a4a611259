import { expect, test } from "vitest";
import { DiskWatch } from "../../src/replica/disk-watch.ts";

function watched() {
  const store: { oldestWrite: number | undefined } = { oldestWrite: undefined };
  return { store, watch: new DiskWatch({ store, standstillMs: 100, writeStallMsMax: 300 }) };
}

test("the age is that of one write, not of many that follow each other", () => {
  const { store, watch } = watched();
  for (let nowMs = 1000; nowMs <= 2000; nowMs += 50) {
    watch.tick(nowMs);
    expect(watch.ageMs).toBe(0);
    store.oldestWrite = nowMs;
  }
  for (const ageMs of [0, 50, 100]) {
    watch.tick(2050 + ageMs);
    expect(watch.ageMs).toBe(ageMs);
  }
  store.oldestWrite = undefined;
  expect(watch.ageMs).toBe(0);
});

test("a write that takes the limit is an error, with its age and the limit", () => {
  const { store, watch } = watched();
  store.oldestWrite = 7;
  for (let nowMs = 0; nowMs < 300; nowMs += 50) watch.tick(nowMs);
  expect(() => watch.tick(300)).toThrow(
    expect.objectContaining({ code: "WRITE_STALLED", message: expect.stringContaining("300 ms; the limit is 300 ms") }),
  );
});

test("trap 59: a process that stood still does not take the time for the disk's", () => {
  const { store, watch } = watched();
  store.oldestWrite = 7;
  watch.tick(0);
  watch.tick(60_000);
  expect(watch.ageMs).toBe(0);
  watch.tick(60_100);
  expect(watch.ageMs).toBe(100);
});
