import { unwrapRow, wrapRow } from "./checksummed-row.ts";
import { stateKey, stateKeyOf } from "./row-keys.ts";
import type { KeyRange, Row, RowChange, RowReader } from "./storage-engine.ts";

// The rows of the state machine stand under a generation, and the checksum of each covers that, too: a row that comes
// into another generation is wrapped anew.

/** A change of the state machine's as the engine takes it. */
export function stateChange(generation: number, change: RowChange): RowChange {
  const key = stateKey(generation, change.key);
  return change.type === "delete" ? { type: "delete", key } : { type: "put", key, value: wrapRow(key, change.value) };
}

/** Reads a row of the state machine; `undefined` when there is none. Throws `STATE_CORRUPT`. */
export function readStateRow(rows: RowReader, generation: number, key: Uint8Array): Uint8Array | undefined {
  const rowKey = stateKey(generation, key);
  const value = rows.get(rowKey);
  return value === undefined ? undefined : unwrapRow(rowKey, value, "state row");
}

/** Rows of the state machine from a range of row keys, in pages, under its own keys. Rejects with `STATE_CORRUPT`. */
export async function* readStateRows(
  rows: RowReader,
  range: KeyRange,
  pageBytes?: number,
): AsyncGenerator<readonly Row[]> {
  for await (const page of rows.iterate(range, pageBytes === undefined ? {} : { pageBytes })) {
    yield page.map(([key, value]) => [stateKeyOf(key), unwrapRow(key, value, "state row")] as const);
  }
}
