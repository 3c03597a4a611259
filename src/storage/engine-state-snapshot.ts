import { readBase } from "./base-row.ts";
import { missingRow } from "./message-row.ts";
import { readProgress } from "./meta-rows.ts";
import { firstGeneration, generationRange, keyAfter, metaKeys, stateKey } from "./row-keys.ts";
import { readStateRow, readStateRows } from "./state-rows.ts";
import type { StateSnapshot } from "./state-snapshot.ts";
import type { EngineSnapshot, StorageEngine } from "./storage-engine.ts";

/**
 * Takes a snapshot of the durable state. What it stands at is read from the snapshot itself: a write under way is in it
 * whole, applied index and generation included, or not at all.
 */
export function openStateSnapshot(engine: StorageEngine): StateSnapshot {
  const rows = engine.snapshot();
  const { appliedIndex, generation } = readStand(rows);
  const { start, end } = generationRange(generation);
  return {
    appliedIndex,
    get: (key) => readStateRow(rows, generation, key),
    rows: (after, pageBytes) => {
      const from = after === null ? start : keyAfter(stateKey(generation, after));
      return readStateRows(rows, { start: from, end }, pageBytes);
    },
    close: () => rows.close(),
  };
}

function readStand(rows: EngineSnapshot): { readonly appliedIndex: number; readonly generation: number } {
  const progress = rows.get(metaKeys.progress);
  if (progress === undefined) throw missingRow("progress");
  const base = rows.get(metaKeys.base);
  return {
    appliedIndex: readProgress(progress).appliedIndex,
    generation: base === undefined ? firstGeneration : readBase(base).generation,
  };
}
