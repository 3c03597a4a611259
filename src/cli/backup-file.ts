import { createReadStream, createWriteStream } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { type ReadBackup, readBackup } from "../storage/read-backup.ts";
import type { ProgressLine } from "./progress-line.ts";

const pieceBytes = 256 * 1024;

/** The pieces of a backup file, read as they are asked for. */
export function backupPieces(file: string): AsyncIterable<Uint8Array> {
  return createReadStream(file, { highWaterMark: pieceBytes });
}

/** Reads all of a file and checks that it is a whole backup. Rejects with `BACKUP_CORRUPT`, or as opening a file does. */
export async function verifyBackup(file: string, progress: ProgressLine): Promise<ReadBackup> {
  const { size } = await stat(file);
  try {
    return await readBackup(backupPieces(file), { progress: (bytes) => progress.update(bytes, size) });
  } finally {
    progress.end();
  }
}

/** Writes a file that is there whole and durable, or not at all: `file` is only ever a backup that was checked. */
export async function writeBackupFile(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  progress: ProgressLine,
): Promise<ReadBackup> {
  const partial = `${file}.partial`;
  try {
    await pipeline(pieces, createWriteStream(partial, { mode: 0o600 }));
    const found = await verifyBackup(partial, progress);
    await sync(partial);
    await rename(partial, file);
    await sync(dirname(resolve(file)));
    return found;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
