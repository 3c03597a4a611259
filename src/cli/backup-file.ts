import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream, rmSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { constants } from "node:os";
import { dirname, resolve } from "node:path";
import { pipeline } from "node:stream/promises";
import { RaftKvError } from "../lib/errors.ts";
import { type ReadBackup, readBackup } from "../storage/read-backup.ts";
import type { ProcessHost } from "./process-host.ts";
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

/**
 * Refuses a name that a backup cannot be given, with `CONFIG_INVALID`: what stands there is no plain file, such as a directory or
 * a device, whose place the backup would take.
 */
export async function checkBackupTarget(file: string): Promise<void> {
  const found = await stat(file).catch(() => null);
  if (found?.isFile() !== false) return;
  throw new RaftKvError("CONFIG_INVALID", `${file} is no plain file; a backup is saved as one`);
}

/**
 * Writes a file that is there whole and durable, or not at all: `file` is only ever a backup that was checked. Until then it has a
 * name of its own, which nobody else writes who saves the same file, and which is removed when the process is told to stop.
 */
export async function writeBackupFile(
  file: string,
  pieces: AsyncIterable<Uint8Array>,
  progress: ProgressLine,
  process: ProcessHost,
): Promise<ReadBackup> {
  const partial = `${file}.${randomBytes(4).toString("hex")}.partial`;
  const stop = process.onceToldToStop();
  // At once: the member that sends the pieces may be slow to end, or not end at all.
  void stop.told.then((why) => {
    rmSync(partial, { force: true });
    process.exit(128 + (constants.signals[why as NodeJS.Signals] ?? 0));
  });
  try {
    await pipeline(pieces, createWriteStream(partial, { mode: 0o600, flags: "wx" }));
    const found = await verifyBackup(partial, progress);
    await sync(partial);
    await rename(partial, file);
    await sync(dirname(resolve(file)));
    return found;
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  } finally {
    stop.ignore();
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
