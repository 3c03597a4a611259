import { join } from "node:path";
import { checkBatches, ownLogNames } from "./level-log-check.ts";

/**
 * Rejects with `LOG_CORRUPT` when a batch is missing between two others of one of the logs that RocksDB would replay.
 *
 * RocksDB takes a damaged record for the torn end of its log: it opens with what stands before, and drops whatever was synced
 * behind it. An intact record behind the damage tells that it is no end. Files are not compared with each other, since those
 * that are not needed any more may go in any order; a missing end cannot be seen here: the watermark is for both. The format
 * is LevelDB's, as long as logs are neither compressed nor recycled.
 */
export async function checkRocksdbLogs(directory: string): Promise<void> {
  for (const name of await ownLogNames(directory)) await checkBatches(join(directory, name));
}
