import { expect, test } from "vitest";
import {
  type CompactionOptions,
  compactionTarget,
  type LogFacts,
  planCompaction,
} from "../../src/replica/compaction-policy.ts";

const options: CompactionOptions = {
  logEntriesMax: 1000,
  logBytesMax: 1_000_000,
  intervalMs: 60_000,
  trailingEntries: 100,
  pinnedBytesMax: 4_000_000,
};

/** A log of `entries` entries of 10 bytes from index 5001 on, all of them applied. */
function log(entries: number, overrides: Partial<LogFacts> = {}): LogFacts {
  const lastIndex = 5000 + entries;
  const facts = { firstIndex: 5001, lastIndex, appliedIndex: lastIndex, sizeBytes: entries * 10 };
  return { ...facts, pinnedIndex: null, ageMs: 0, ...overrides };
}

test("a log within its limits is left alone", () => {
  expect(planCompaction(log(1000, { sizeBytes: 1_000_000, ageMs: 59_999 }), options)).toBeNull();
});

test.each([
  ["entries", log(1001), 6001 - 100],
  ["bytes", log(500, { sizeBytes: 1_000_001 }), 5500 - 100],
  ["interval", log(500, { ageMs: 60_000 }), 5500 - 100],
] as const)("a log over its limit of %s is compacted up to the trailing window", (reason, facts, to) => {
  expect(planCompaction(facts, options)).toEqual({ reason, to });
});

test("with an interval of 0 nothing is compacted by time", () => {
  expect(planCompaction(log(500, { ageMs: 1e12 }), { ...options, intervalMs: 0 })).toBeNull();
});

test("the window is never more than half of the limits", () => {
  const wide = { ...options, trailingEntries: 1_000_000 };
  expect(planCompaction(log(1001), wide)?.to).toBe(6001 - 500);
  // 2,000 bytes an entry: 250 of them are half a megabyte.
  expect(planCompaction(log(1001, { sizeBytes: 2_002_000 }), wide)?.to).toBe(6001 - 250);
});

test("entries that are not applied are kept, and the window is counted from what is", () => {
  expect(planCompaction(log(1200, { appliedIndex: 5700 }), options)?.to).toBe(5600);
  expect(planCompaction(log(1200, { appliedIndex: 5000 }), options)).toBeNull();
});

test("a log that stays over its limit is not compacted entry by entry", () => {
  expect(planCompaction(log(1200, { appliedIndex: 5199 }), options)).toBeNull();
  expect(planCompaction(log(1200, { appliedIndex: 5200 }), options)?.to).toBe(5100);
  expect(planCompaction(log(1200, { appliedIndex: 5101, ageMs: 60_000 }), options)).toEqual({
    reason: "interval",
    to: 5001,
  });
});

test("nothing is forgotten behind the snapshot that somebody is fetching, until the log is over what is kept for that", () => {
  const pinned = (sizeBytes: number) => log(2000, { pinnedIndex: 5150, sizeBytes });
  expect(planCompaction(pinned(20_000), options)?.to).toBe(5150);
  expect(planCompaction(pinned(4_000_000), options)?.to).toBe(5150);
  // 2,000 bytes an entry, of which half a megabyte may stay.
  expect(planCompaction(pinned(4_000_001), options)?.to).toBe(7000 - 100);
});

test("a request decides how much it keeps", () => {
  expect(compactionTarget(log(500), 0, options)).toBe(5500);
  expect(compactionTarget(log(500), 30, options)).toBe(5470);
  expect(compactionTarget(log(500), 501, options)).toBe(5000);
});
