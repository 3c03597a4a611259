import { columnOf } from "./rocksdb-columns.ts";
import type { OpenDatabase } from "./rocksdb-open.ts";

/** Rows that are fetched at once. There are about ten, and one for each member that was ever met. */
const pageRows = 1024;

/**
 * Moves the rows that earlier versions of raftkv kept in the family "default" to where they stand now; tells whether there were any.
 * It is one synced batch, so that a crash leaves all of them here or all of them there. Rejects as the binding does.
 */
export async function moveEarlierRows({ database, columns, earlierColumn }: OpenDatabase): Promise<boolean> {
  const rows: [Uint8Array, Uint8Array][] = [];
  const iterator = database.iterator({ column: earlierColumn });
  try {
    for (let page = await iterator.nextv(pageRows); page.length > 0; page = await iterator.nextv(pageRows)) {
      rows.push(...page);
    }
  } finally {
    await iterator.close();
  }
  if (rows.length === 0) return false;
  const batch = database.batch();
  for (const [key, value] of rows) {
    batch.put(key, value, { column: columns[columnOf(key)] });
    batch.del(key, { column: earlierColumn });
  }
  await batch.write({ sync: true });
  return true;
}
