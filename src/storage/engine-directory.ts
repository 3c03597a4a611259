import { readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import { openClassicLevelEngine } from "./classic-level-engine.ts";
import { syncDirectory } from "./data-directory.ts";
import { openRocksdbEngine } from "./open-rocksdb-engine.ts";
import type { StorageEngine } from "./storage-engine.ts";

/** Engines that keep a directory. */
export const engineNames = ["classic-level", "rocksdb"] as const;

/** Name of an engine that keeps a directory. */
export type EngineName = (typeof engineNames)[number];

const prefix = "engine-";
/** What the name of a directory ends with that no engine is to be opened in. */
export const unfinishedSuffix = ".unfinished";
const numberedName = new RegExp(`^${prefix}(${engineNames.join("|")})\\.([1-9]\\d{0,8})$`);

/** Where an engine keeps its files within a data directory. */
export function engineDirectory(directory: string, name: EngineName): string {
  return join(directory, prefix + name);
}

/** Where a conversion fills an engine until it is whole; to be removed when it stops before. */
export function unfinishedDirectory(directory: string, name: EngineName): string {
  return engineDirectory(directory, name) + unfinishedSuffix;
}

/** Where the files of another member's engine get together, and stay as the engine once adopted, until the next start. */
export function numberedDirectory(directory: string, name: EngineName, number: number): string {
  return `${engineDirectory(directory, name)}.${number}`;
}

/** Numbers of an engine's directories that have one, ascending. */
export async function numberedEngines(directory: string, name: EngineName): Promise<number[]> {
  const found = (await readdir(directory)).map((each) => numberedName.exec(each));
  return found.flatMap((each) => (each?.[1] === name ? [Number(each[2])] : [])).sort((a, b) => a - b);
}

/**
 * Removes a directory in the place of an engine, durably. Its name goes before its files: what has the name of an engine is
 * always whole, however this is cut short.
 */
export async function removeEngineDirectory(path: string): Promise<void> {
  const unfinished = path + unfinishedSuffix;
  await rm(unfinished, { recursive: true, force: true });
  await rename(path, unfinished);
  await syncDirectory(dirname(path));
  await rm(unfinished, { recursive: true });
  await syncDirectory(dirname(path));
}

/** Removes what removals and conversions that were cut short left of an engine. */
export async function removeUnfinished(directory: string, name: EngineName): Promise<void> {
  const left = (await readdir(directory)).filter((each) => each.endsWith(unfinishedSuffix));
  for (const each of left) {
    const whole = each.slice(0, -unfinishedSuffix.length);
    if (whole !== prefix + name && numberedName.exec(whole)?.[1] !== name) continue;
    await rm(join(directory, each), { recursive: true, force: true });
  }
}

/** Opens an engine in a directory of its own; rejects as that engine does. */
export function openEngine(name: EngineName, directory: string): Promise<StorageEngine> {
  return name === "rocksdb" ? openRocksdbEngine(directory) : openClassicLevelEngine(directory);
}

/**
 * Engines whose files are in a data directory, as they are called there; more than one after a conversion that was cut short.
 * Directories with a number are none: `settleEngines` has given those that were adopted their names.
 */
export async function enginesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.startsWith(prefix) && !name.endsWith(unfinishedSuffix) && !numberedName.test(name))
    .map((name) => name.slice(prefix.length))
    .sort();
}

/** Rejects with `DIRECTORY_MISMATCH` unless a data directory has this engine's files, or none at all. */
export async function refuseOtherEngine(directory: string, name: EngineName): Promise<void> {
  const found = await enginesIn(directory);
  const other = found.find((each) => each !== name);
  if (other === undefined) return;
  const what = found.includes(name)
    ? `has both ${found.join(" and ")}: a conversion was cut short, run it again`
    : `has storage engine ${other}; it was opened with ${name}`;
  throw new RaftKvError("DIRECTORY_MISMATCH", `${directory} ${what}`);
}
