import { parentPort, workerData } from "node:worker_threads";
import { unpackBatch } from "./rocksdb-batch.ts";
import type { ColumnName } from "./rocksdb-columns.ts";
import { type OpenDatabase, openDatabase } from "./rocksdb-open.ts";
import type { WriterAnswer, WriterTask } from "./rocksdb-writer.ts";
import { systemCode } from "./system-code.ts";

// Runs in a thread of its own: the binding's writes return when the disk has them, and hold up whoever calls.

const { handle } = workerData as { readonly handle: bigint };
const opened = await openDatabase(handle);

parentPort?.on("message", (task: WriterTask) => {
  void run(opened, task).then((error) => {
    const answer: WriterAnswer = { id: task.id, error };
    parentPort?.postMessage(answer);
  });
});
parentPort?.postMessage("ready");

async function run(target: OpenDatabase, task: WriterTask): Promise<WriterAnswer["error"]> {
  try {
    if (task.type === "write") await write(target, task.batch);
    else await clear(target, task.column, task.start, task.end);
    return undefined;
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error), code: systemCode(error) };
  }
}

async function write({ database, columns }: OpenDatabase, packed: ArrayBuffer): Promise<void> {
  const batch = database.batch();
  unpackBatch(packed, {
    put: (key, value, column) => void batch.put(key, value, { column: columns[column] }),
    delete: (key, column) => void batch.del(key, { column: columns[column] }),
  });
  await batch.write({ sync: true });
}

/** One marker removes the range; it is not synced itself, but what is written after it, in the same log, is. */
async function clear(target: OpenDatabase, name: ColumnName, start: Uint8Array, end: Uint8Array): Promise<void> {
  const column = target.columns[name];
  await target.database.clear({ gte: Buffer.from(start), lt: Buffer.from(end), column });
  const batch = target.database.batch();
  batch.del(Buffer.from(start), { column });
  await batch.write({ sync: true });
}
