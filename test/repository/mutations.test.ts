import { existsSync, readFileSync } from "node:fs";
import { stripTypeScriptTypes } from "node:module";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { mutations } from "../mutations/catalogue.ts";
import { applyEdit } from "../mutations/mutation.ts";
import { numbersIn } from "../mutations/results-table.ts";
import { repositoryRoot } from "../mutations/workspace.ts";

const read = (path: string): string => readFileSync(join(repositoryRoot, path), "utf8");
const numbers = mutations.map(({ number }) => number);

describe("the list of mutations", () => {
  test("is long enough, and each has a number and a fault of its own, in order", () => {
    expect(mutations.length).toBeGreaterThanOrEqual(40);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    const faults = mutations.map(({ fault }) => fault);
    expect(new Set(faults).size).toBe(faults.length);
  });

  test("has every mutation in the table of docs/testing.md, and that has no other and no problem", () => {
    const document = read("docs/testing.md");
    expect(numbersIn(document)).toEqual(numbers);
    expect(document.split("\n").filter((line) => line.includes("| PROBLEM"))).toEqual([]);
  });

  test("has every row of the collection that it began with, and the traps that must be tried", () => {
    const rows = new Set(mutations.map(({ row }) => row));
    expect(Array.from({ length: 36 }, (_, at) => at + 1).filter((row) => !rows.has(row))).toEqual([]);
    const traps = new Set(mutations.flatMap((mutation) => mutation.traps ?? []));
    const due = [1, 2, 10, 18, 19, 24, 29, 30, 31, 36, 38, 48, 49, 52, 54, 69, 73, 80];
    expect(due.filter((trap) => !traps.has(trap))).toEqual([]);
  });

  test("names test files that exist", () => {
    const named = new Set(mutations.flatMap(({ tests }) => tests));
    expect([...named].filter((path) => !existsSync(join(repositoryRoot, "test", path)))).toEqual([]);
  });
});

test.each(mutations.map(({ number, fault, edits }) => [number, fault, edits] as const))(
  "mutation %i still applies: %s",
  (_number, _fault, edits) => {
    const changed = new Map<string, string>();
    for (const each of edits) changed.set(each.file, applyEdit(changed.get(each.file) ?? read(each.file), each));
    for (const [file, text] of changed) {
      expect(text).not.toBe(read(file));
      expect(() => stripTypeScriptTypes(text, { mode: "transform" })).not.toThrow();
    }
  },
);
