import { expect, test } from "vitest";
import { RowHash } from "../../src/lib/row-hash.ts";
import type { Row } from "../../src/storage/storage-engine.ts";

const row = (key: string, value: string): Row => [Buffer.from(key), Buffer.from(value)];

function hashOf(...pages: (readonly Row[])[]) {
  const hash = new RowHash();
  for (const page of pages) hash.add(page);
  return hash.digest();
}

test("is the same however the rows are cut into pages", () => {
  const rows = [row("a", "1"), row("b", ""), row("c", "3")];
  expect(hashOf(rows)).toEqual(hashOf(...rows.map((each) => [each])));
  expect(hashOf(rows)).toMatchObject({ rows: 3, bytes: 5 });
});

test("differs when bytes move between a key and its value, or between two rows", () => {
  const hashes = [
    hashOf([row("ab", "c")]),
    hashOf([row("a", "bc")]),
    hashOf([row("a", ""), row("bc", "")]),
    hashOf([row("a", "b"), row("c", "")]),
    hashOf([]),
  ].map(({ hash }) => hash);
  expect(new Set(hashes).size).toBe(hashes.length);
});

test("is SHA-256 of each key and each value behind its length", () => {
  // Of the bytes 00000001 6b 00000001 76, by another program.
  expect(hashOf([row("k", "v")]).hash).toBe("5e4df0632cddbef333f4e40c3250f9ddaade5073bc56f239e52c1ecac1c2bca0");
});
