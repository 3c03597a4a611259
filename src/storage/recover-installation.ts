import { readInstallation, type StoredInstallation, withRows } from "./installation-row.ts";
import { generationRange, keyAfter, metaKeys, stateKey } from "./row-keys.ts";
import { readStateRows } from "./state-rows.ts";
import type { RowReader } from "./storage-engine.ts";

/**
 * The installation that was begun and has not ended; `undefined` when there is none. Rows come in the order of their keys, each
 * batch durable before the next begins: those behind the last key that its row knows of are all that came since, and are
 * counted here. Rejects with `STATE_CORRUPT`.
 */
export async function recoverInstallation(rows: RowReader): Promise<StoredInstallation | undefined> {
  const row = rows.get(metaKeys.installation);
  if (row === undefined) return undefined;
  let stored = readInstallation(row);
  const { generation, lastKey } = stored;
  const { start, end } = generationRange(generation);
  const range = { start: lastKey === null ? start : keyAfter(stateKey(generation, lastKey)), end };
  for await (const page of readStateRows(rows, range)) stored = withRows(stored, page);
  return stored;
}
