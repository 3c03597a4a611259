// A directory gets its restored store in two steps, of which the second decides:
//
//   DIR/restoring/{durable-watermark, engine-NAME} ──> DIR/durable-watermark ──> DIR/engine-NAME ──> DIR/restoring is removed
//
// The directory itself is never renamed, so that it may be a mount point.

import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import { syncDirectory } from "./data-directory.ts";
import { type EngineName, engineDirectory, enginesIn } from "./engine-directory.ts";
import { watermarkFileName } from "./watermark-file.ts";

const stagingName = "restoring";

/** What the root of a new file system may hold. */
const ofFileSystems: readonly string[] = ["lost+found"];

/** Where a restore fills a store, within the directory that gets it. */
export function restoringDirectory(directory: string): string {
  return join(directory, stagingName);
}

/** Rejects with `DIRECTORY_MISMATCH` where a restore was cut short before the directory had its store. */
export async function refuseCutRestore(directory: string): Promise<void> {
  if (!(await isCutRestore(directory))) return;
  throw new RaftKvError("DIRECTORY_MISMATCH", `${directory} holds part of a restore that was cut short; run it again`);
}

/** Rejects with `DIRECTORY_UNUSABLE` unless a directory is empty, or holds no more than a restore left that was cut short. */
export async function refuseUnlessFree(directory: string): Promise<void> {
  const names = (await readdir(directory)).filter((name) => !ofFileSystems.includes(name));
  const left = [stagingName, watermarkFileName];
  if (names.length === 0 || (names.includes(stagingName) && names.every((name) => left.includes(name)))) return;
  const message = `${directory} is not empty; a backup is restored into a new directory`;
  throw new RaftKvError("DIRECTORY_UNUSABLE", message);
}

async function isCutRestore(directory: string): Promise<boolean> {
  return (await readdir(directory)).includes(stagingName) && (await enginesIn(directory)).length === 0;
}

/** Gives a directory the store that was filled in it, durably. Cut short, it leaves one that {@link refuseCutRestore} refuses, or the store. */
export async function moveRestored(directory: string, engineName: EngineName): Promise<void> {
  const from = restoringDirectory(directory);
  await syncDirectory(engineDirectory(from, engineName));
  await syncDirectory(from);
  await rename(join(from, watermarkFileName), join(directory, watermarkFileName));
  await syncDirectory(directory);
  await rename(engineDirectory(from, engineName), engineDirectory(directory, engineName));
  await syncDirectory(directory);
  // Beside a store it means nothing, should it stay.
  await rm(from, { recursive: true }).catch(() => {});
}

/** Removes what a restore has made in a directory, which then has no store. */
export async function removeRestored(directory: string, engineName: EngineName): Promise<void> {
  const from = restoringDirectory(directory);
  // Without its name first, so that no part of an engine is ever taken for one.
  await rename(engineDirectory(directory, engineName), engineDirectory(from, engineName)).catch(() => {});
  await rm(join(directory, watermarkFileName), { force: true });
  await rm(from, { recursive: true, force: true });
}
