import { unwrapRow } from "./checksummed-row.ts";
import { generationOf, generationRange, stateRange } from "./row-keys.ts";
import type { RowReader } from "./storage-engine.ts";

/**
 * Every generation that has state rows, ascending. The first row of each is checked, so that a row whose key was hit is not
 * taken for a generation of its own: such a generation would be garbage. Rejects with `STATE_CORRUPT`.
 */
export async function generationsIn(rows: RowReader): Promise<number[]> {
  const generations: number[] = [];
  for (let key = await firstKey(rows, stateRange.start); key !== undefined; ) {
    const generation = generationOf(key);
    if (generation === undefined) return generations;
    generations.push(generation);
    key = await firstKey(rows, generationRange(generation).end);
  }
  return generations;
}

async function firstKey(rows: RowReader, start: Uint8Array): Promise<Uint8Array | undefined> {
  for await (const page of rows.iterate({ start, end: stateRange.end }, { limit: 1 })) {
    for (const [key, value] of page) {
      unwrapRow(key, value, "state row");
      return key;
    }
  }
  return undefined;
}
