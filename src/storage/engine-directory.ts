import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import { openClassicLevelEngine } from "./classic-level-engine.ts";
import { openRocksdbEngine } from "./open-rocksdb-engine.ts";
import type { StorageEngine } from "./storage-engine.ts";

/** Engines that keep a directory. */
export const engineNames = ["classic-level", "rocksdb"] as const;

/** Name of an engine that keeps a directory. */
export type EngineName = (typeof engineNames)[number];

const prefix = "engine-";
const unfinishedSuffix = ".unfinished";

/** Where an engine keeps its files within a data directory. */
export function engineDirectory(directory: string, name: EngineName): string {
  return join(directory, prefix + name);
}

/** Where a conversion fills an engine until it is whole; to be removed when it stops before. */
export function unfinishedDirectory(directory: string, name: EngineName): string {
  return engineDirectory(directory, name) + unfinishedSuffix;
}

/** Opens an engine in a directory of its own; rejects as that engine does. */
export function openEngine(name: EngineName, directory: string): Promise<StorageEngine> {
  return name === "rocksdb" ? openRocksdbEngine(directory) : openClassicLevelEngine(directory);
}

/** Engines whose files are in a data directory, as they are called there; more than one after a conversion that was cut short. */
export async function enginesIn(directory: string): Promise<string[]> {
  const names = await readdir(directory);
  return names
    .filter((name) => name.startsWith(prefix) && !name.endsWith(unfinishedSuffix))
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
