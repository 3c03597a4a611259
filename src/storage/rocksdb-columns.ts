import type { KeyRange } from "./storage-engine.ts";

// The state stands in a column family of its own, so that the log, which is written and removed at its ends, does not make the
// tables of the state be rewritten. The first byte of a key tells the kind (see row-keys.ts):
//
//   ""..02  03     04..
//   log     state  log
//
// The few other rows stand with the log. In a family of their own they hardly fill a memtable, and RocksDB keeps its write-ahead
// log, all of which a start reads, back to the oldest change that is in no table yet.

/** Column families that hold rows, as the database names them; their places are what a packed batch calls them by. */
export const columnNames = ["log", "state"] as const;

/** Name of a column family. */
export type ColumnName = (typeof columnNames)[number];

const stateSpace = 0x03;

/** Part of a range that lies in one column family. */
export interface Segment {
  readonly column: ColumnName;
  readonly range: KeyRange;
}

/** Column family in which a row stands. */
export function columnOf(key: Uint8Array): ColumnName {
  return key[0] === stateSpace ? "state" : "log";
}

const segments: readonly Segment[] = [
  { column: "log", range: { start: new Uint8Array(0), end: Uint8Array.of(stateSpace) } },
  { column: "state", range: { start: Uint8Array.of(stateSpace), end: Uint8Array.of(stateSpace + 1) } },
];
const behindState = Uint8Array.of(stateSpace + 1);

/** Splits a range by column family, in byte order; leaves out what is empty. */
export function segmentsOf({ start, end }: KeyRange): Segment[] {
  const last: Segment = { column: "log", range: { start: behindState, end } };
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
