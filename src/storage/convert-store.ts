import { rename, rm } from "node:fs/promises";
import { RaftKvError } from "../lib/errors.ts";
import { closeAfter } from "./close-after.ts";
import { syncDirectory } from "./data-directory.ts";
import { lockDirectory } from "./directory-lock.ts";
import {
  type EngineName,
  engineDirectory,
  engineNames,
  enginesIn,
  openEngine,
  removeEngineDirectory,
  unfinishedDirectory,
} from "./engine-directory.ts";
import { type ExplainFailure, failAfter } from "./fail-after.ts";
import { identityRow, readIdentity } from "./meta-rows.ts";
import { recoverDirectory } from "./recover-directory.ts";
import { everyRow, metaKeys } from "./row-keys.ts";
import { removeIncoming, settleEngines } from "./settle-engines.ts";
import type { Row, StorageEngine } from "./storage-engine.ts";

const pageBytes = 1024 * 1024;

/** What {@link convertStore} did. */
export interface Conversion {
  readonly from: EngineName;
  readonly rows: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
}

/** How {@link convertStore} goes about it. */
export interface ConvertOptions {
  /** Told the bytes copied so far. Default: nothing. */
  readonly onProgress?: (bytes: number) => void;
  /** Default: an error stays as it is. */
  readonly explain?: ExplainFailure;
}

/**
 * Moves the store of a stopped member to another engine: verifies it, copies every row, and removes the old files when the
 * new ones are durable. Cut short at any point it leaves a directory that opens with one of the two, or one for which it has to
 * be run again; no run removes what is the only whole one. What it copied in vain it removes before it rejects.
 *
 * Rejects with `DIRECTORY_LOCKED`, `DIRECTORY_MISMATCH` (no store, or it has that engine already), and as opening a store does.
 */
export async function convertStore(
  directory: string,
  to: EngineName,
  options: ConvertOptions = {},
): Promise<Conversion> {
  const unlock = await lockDirectory(directory);
  try {
    await settleEngines(directory);
    const from = await engineToConvert(directory, to);
    // What another member was sending is not worth carrying over.
    for (const name of engineNames) await removeIncoming(directory, name);
    const copied = (await enginesIn(directory)).includes(to)
      ? { rows: 0, bytes: 0 }
      : await copyEngine(directory, from, to, options);
    await removeEngineDirectory(engineDirectory(directory, from));
    return { from, ...copied };
  } finally {
    await unlock();
  }
}

async function engineToConvert(directory: string, to: EngineName): Promise<EngineName> {
  const found = await enginesIn(directory);
  const from = engineNames.find((name) => name !== to && found.includes(name));
  if (from !== undefined) return from;
  const what = found.includes(to) ? `has storage engine ${to} already` : "holds no store of a known engine";
  throw new RaftKvError("DIRECTORY_MISMATCH", `${directory} ${what}`);
}

async function copyEngine(directory: string, from: EngineName, to: EngineName, options: ConvertOptions) {
  const source = await openEngine(from, engineDirectory(directory, from));
  return closeAfter(source, async () => {
    // What is damaged must not be carried into files that have checksums of their own.
    await recoverDirectory(directory, source);
    return copyVerified(directory, source, to, options);
  });
}

async function copyVerified(
  directory: string,
  source: StorageEngine,
  to: EngineName,
  { onProgress = () => {}, explain }: ConvertOptions,
) {
  const unfinished = unfinishedDirectory(directory, to);
  try {
    const target = await openEngine(to, unfinished);
    const copied = await closeAfter(target, () => copyRows(source, target, onProgress));
    await syncDirectory(unfinished);
    // From here on the directory has both, and each of them is whole.
    await rename(unfinished, engineDirectory(directory, to));
    await syncDirectory(directory);
    return copied;
  } catch (error) {
    throw await failAfter(error, directory, () => rm(unfinished, { recursive: true, force: true }), explain);
  }
}

/** Copies every row; the identity, without which nothing is a store, comes last. */
async function copyRows(source: StorageEngine, target: StorageEngine, onProgress: (bytes: number) => void) {
  let rows = 0;
  let bytes = 0;
  for await (const page of source.iterate(everyRow, { pageBytes, readAhead: true })) {
    const others = page.filter(([key]) => Buffer.compare(key, metaKeys.identity) !== 0);
    await target.write(others.map(([key, value]) => ({ type: "put", key, value })));
    rows += page.length;
    bytes += sizeOf(page);
    onProgress(bytes);
  }
  const identity = readIdentity(source.get(metaKeys.identity) ?? new Uint8Array(0));
  await target.write([identityRow({ ...identity, engine: target.name })]);
  return { rows, bytes };
}

function sizeOf(rows: readonly Row[]): number {
  return rows.reduce((sum, [key, value]) => sum + key.length + value.length, 0);
}
