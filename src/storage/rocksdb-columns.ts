import type { KeyRange } from "./storage-engine.ts";

// Rows of a kind stand in a column family of their own, so that the log, which is written and removed at its ends, does not
// make the tables of the state be rewritten. The first byte of a key tells the kind (see row-keys.ts):
//
//   ""..01   02    03      04..
//   default  log   state   default

/** Column families, as the database names them; their places are what a packed batch calls them by. */
export const columnNames = ["default", "log", "state"] as const;

/** Name of a column family. */
export type ColumnName = (typeof columnNames)[number];

const logSpace = 0x02;
const stateSpace = 0x03;

/** Part of a range that lies in one column family. */
export interface Segment {
  readonly column: ColumnName;
  readonly range: KeyRange;
}

/** Column family in which a row stands. */
export function columnOf(key: Uint8Array): ColumnName {
  if (key[0] === logSpace) return "log";
  return key[0] === stateSpace ? "state" : "default";
}

const segments: readonly Segment[] = [
  { column: "default", range: { start: new Uint8Array(0), end: Uint8Array.of(logSpace) } },
  { column: "log", range: { start: Uint8Array.of(logSpace), end: Uint8Array.of(stateSpace) } },
  { column: "state", range: { start: Uint8Array.of(stateSpace), end: Uint8Array.of(stateSpace + 1) } },
];
const behindState = Uint8Array.of(stateSpace + 1);

/** Splits a range by column family, in byte order; leaves out what is empty. */
export function segmentsOf({ start, end }: KeyRange): Segment[] {
  const last: Segment = { column: "default", range: { start: behindState, end } };
  const parts: Segment[] = [];
  for (const { column, range } of [...segments, last]) {
    const from = later(start, range.start);
    const to = later(range.end, end) === end ? range.end : end;
    if (Buffer.compare(from, to) < 0) parts.push({ column, range: { start: from, end: to } });
  }
  return parts;
}

function later(a: Uint8Array, b: Uint8Array): Uint8Array {
  return Buffer.compare(a, b) < 0 ? b : a;
}
