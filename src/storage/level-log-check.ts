import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { damaged } from "./damaged.ts";
import { readLevelRecords } from "./level-log-reader.ts";
import { systemCode } from "./system-code.ts";

/** A record of such a log is one batch: sequence number of its first change (8, little-endian), their count (4), changes. */
const batchHeadBytes = 12;

/**
 * Rejects with `LOG_CORRUPT` when a batch is missing between two others of the logs that LevelDB would replay.
 *
 * LevelDB skips damaged blocks of its log without a word, and what was in them is gone while later writes are there. The
 * sequence numbers of the batches that are left show it. A missing end cannot be seen here: the watermark is for that.
 * The logs are as large as two write buffers at most.
 */
export async function checkLevelLogs(directory: string): Promise<void> {
  let due: bigint | undefined;
  for (const name of await ownLogNames(directory)) due = await checkBatches(join(directory, name), due);
}

/**
 * Rejects with `LOG_CORRUPT` unless the batches of one log follow one another, the first of them beginning with the change that
 * is `due`, if that is known. Resolves to the change that is due after them.
 */
export async function checkBatches(path: string, due?: bigint): Promise<bigint | undefined> {
  let next = due;
  for (const batch of readLevelRecords(await readFile(path))) {
    if (batch.length < batchHeadBytes) continue;
    const sequence = batch.readBigUInt64LE(0);
    if (next !== undefined && sequence !== next) {
      throw damaged("LOG_CORRUPT", `${path} is damaged: change ${sequence} follows where ${next} is due`);
    }
    next = sequence + BigInt(batch.readUInt32LE(8));
  }
  return next;
}

/** Names of the logs that LevelDB, or RocksDB, keeps of its own writes, oldest first; none where there is no directory. */
export async function ownLogNames(directory: string): Promise<string[]> {
  try {
    const names = (await readdir(directory)).filter((name) => /^\d+\.log$/.test(name));
    return names.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  } catch (error) {
    if (systemCode(error) === "ENOENT") return [];
    throw error;
  }
}
