// An engine that came from another member works under a number until the next start, which gives it its name:
//
//   engine-NAME.N/{incoming, ...} ──> + received ──> + adopted ──(next start)──> engine-NAME/, the one before is removed
//
// The file `adopted` decides. Files are never moved under an engine that is open, since it opens them by path.

import { readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { syncDirectory } from "./data-directory.ts";
import { locked } from "./directory-lock.ts";
import {
  type EngineName,
  engineDirectory,
  engineNames,
  numberedDirectory,
  numberedEngines,
  removeEngineDirectory,
  removeUnfinished,
  unfinishedSuffix,
} from "./engine-directory.ts";
import { isLockPlace, whileUnused } from "./engine-lock.ts";
import { besideFiles, readDescription } from "./incoming-description.ts";
import { systemCode } from "./system-code.ts";

/**
 * Gives every engine that was adopted its name, in place of the one before, and removes what was cut short or given up; of
 * files that were on their way the newest stay, under their number. Cut short anywhere, another run ends it. The caller holds
 * the lock, and has no engine open. Rejects with `DIRECTORY_LOCKED`, and has done nothing then, when a
 * process that this lock does not keep out has one open.
 */
export async function settleEngines(directory: string): Promise<void> {
  if (!(await isAnythingLeft(directory))) return;
  const inUse = await enginesInUse(directory);
  await whileUnused(directory, inUse, async () => {
    const now = await enginesInUse(directory);
    if (now.join() !== inUse.join()) throw locked(directory);
    for (const name of engineNames) await settleEngine(directory, name);
  });
}

/** Removes what was on its way to an engine. After {@link settleEngines}, under the same lock. */
export async function removeIncoming(directory: string, name: EngineName): Promise<void> {
  for (const number of await numberedEngines(directory, name)) {
    await removeEngineDirectory(numberedDirectory(directory, name, number));
  }
}

async function isAnythingLeft(directory: string): Promise<boolean> {
  const names = await readdir(directory);
  if (names.some((name) => name.endsWith(unfinishedSuffix) || isLockPlace(name))) return true;
  for (const name of engineNames) {
    if ((await numberedEngines(directory, name)).length > 0) return true;
    if ((await besideFilesIn(engineDirectory(directory, name))).length > 0) return true;
  }
  return false;
}

/** Paths of the engines that are those of the directory; none that only has files on their way. */
async function enginesInUse(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  const paths: string[] = [];
  for (const name of engineNames) {
    const adopted = await lastAdopted(directory, name);
    if (adopted !== undefined) paths.push(numberedDirectory(directory, name, adopted));
    else if (names.includes(`engine-${name}`)) paths.push(engineDirectory(directory, name));
  }
  return paths;
}

async function settleEngine(directory: string, name: EngineName): Promise<void> {
  await removeUnfinished(directory, name);
  const adopted = await lastAdopted(directory, name);
  if (adopted !== undefined) await giveName(directory, name, adopted);
  await removeBesideFiles(engineDirectory(directory, name));
  await keepNewestIncoming(directory, name);
}

async function lastAdopted(directory: string, name: EngineName): Promise<number | undefined> {
  for (const number of (await numberedEngines(directory, name)).reverse()) {
    if ((await namesIn(numberedDirectory(directory, name, number))).includes(besideFiles.adopted)) return number;
  }
  return undefined;
}

async function giveName(directory: string, name: EngineName, adopted: number): Promise<void> {
  const from = numberedDirectory(directory, name, adopted);
  const to = engineDirectory(directory, name);
  // A process that was killed may have left a name that no sync has made durable: nothing goes before it is.
  await syncDirectory(from);
  await syncDirectory(directory);
  if ((await readdir(directory)).includes(`engine-${name}`)) await removeEngineDirectory(to);
  // All that were adopted before have to go first, or the next run would find one of them once this has its name.
  for (const number of await numberedEngines(directory, name)) {
    if (number < adopted) await removeEngineDirectory(numberedDirectory(directory, name, number));
  }
  await rename(from, to);
  await syncDirectory(directory);
}

async function besideFilesIn(path: string): Promise<string[]> {
  const beside = Object.values(besideFiles).flatMap((name) => [name, `${name}.new`]);
  return (await namesIn(path)).filter((name) => beside.includes(name));
}

async function removeBesideFiles(path: string): Promise<void> {
  const found = await besideFilesIn(path);
  for (const name of found) await rm(join(path, name));
  if (found.length > 0) await syncDirectory(path);
}

async function keepNewestIncoming(directory: string, name: EngineName): Promise<void> {
  let kept = false;
  for (const number of (await numberedEngines(directory, name)).reverse()) {
    const path = numberedDirectory(directory, name, number);
    if (!kept && (await readDescription(path)) !== undefined) kept = true;
    else await removeEngineDirectory(path);
  }
}

async function namesIn(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return [];
    throw error;
  }
}
