import { describe, expect, test } from "vitest";
import { Fingerprinter, renamingsOf } from "./fingerprint.ts";

const renamings = renamingsOf(3);
const fingerprinter = new Fingerprinter(renamings, 100, ["noise"]);

/** Digests under every renaming, in one order for all values that differ in names only. */
function allDigests(value: unknown): string[] {
  const words = fingerprinter.of(value);
  return renamings.map((_, position) => `${words[2 * position]}/${words[2 * position + 1]}`).sort();
}

function digest(value: unknown, clocks?: { nowMs: number; readClockMs: number }): string {
  return fingerprinter.of(value, clocks).slice(0, 2).join();
}

const message = { type: "RequestVoteResponse", from: "a", to: "b", term: 1, granted: true };

describe("a digest", () => {
  test("is equal for equal values, whatever the order of their fields", () => {
    const { granted, ...rest } = message;
    expect(digest({ granted, ...rest })).toBe(digest(message));
  });

  test.each([
    ["another number", { ...message, term: 2 }],
    ["another truth", { ...message, granted: false }],
    ["another name", { ...message, to: "c" }],
    ["a missing field", { ...message, term: undefined }],
    ["null for it", { ...message, term: null }],
    ["the names exchanged", { ...message, from: "b", to: "a" }],
  ])("differs with %s", (_what, other) => {
    expect(digest(other)).not.toBe(digest(message));
  });

  test("takes lists as ordered, but for those whose order says nothing", () => {
    expect(digest({ entries: [1, 2] })).not.toBe(digest({ entries: [2, 1] }));
    expect(digest({ voters: ["a", "b"] })).toBe(digest({ voters: ["b", "a"] }));
    expect(digest({ voters: ["a", "a"] })).not.toBe(digest({ voters: ["b", "b"] }));
  });

  test("takes points in time as how long ago they are, up to a span", () => {
    const at = (nowMs: number, leaderContactMs: number) => digest({ leaderContactMs }, { nowMs, readClockMs: 0 });
    expect(at(500, 450)).toBe(at(90, 40));
    expect(at(500, 450)).not.toBe(at(500, 460));
    expect(at(500, 400)).toBe(at(900, 100));
  });

  test("leaves out what it is told to", () => {
    expect(digest({ ...message, noise: 1 })).toBe(digest({ ...message, noise: 2 }));
  });

  test("tells large numbers and bytes apart", () => {
    expect(digest({ id: 2 ** 40 })).not.toBe(digest({ id: 2 ** 41 }));
    expect(digest({ command: Uint8Array.of(1, 2) })).not.toBe(digest({ command: Uint8Array.of(2, 1) }));
    expect(digest({ command: Uint8Array.of() })).not.toBe(digest({ command: Uint8Array.of(0) }));
  });
});

describe("digests under every renaming", () => {
  test("are those of the same value with other names, in another order", () => {
    const renamed = { ...message, from: "c", to: "a" };
    expect(digest(renamed)).not.toBe(digest(message));
    expect(allDigests(renamed)).toEqual(allDigests(message));
    expect(allDigests({ ...renamed, to: "c" })).not.toEqual(allDigests(message));
  });

  test("rename the keys of records, too", () => {
    expect(allDigests({ votes: { a: true, b: false } })).toEqual(allDigests({ votes: { c: true, a: false } }));
    expect(allDigests({ votes: { a: true, b: false } })).not.toEqual(allDigests({ votes: { a: true, b: true } }));
  });
});

test("every order of the members is a renaming, and the first leaves them as they are", () => {
  expect(renamingsOf(3)).toEqual([
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]);
});
