import { RaftKvError } from "../lib/errors.ts";
import { closeAfter } from "./close-after.ts";
import { lockDirectory } from "./directory-lock.ts";
import { type EngineName, engineDirectory, engineNames, enginesIn, openEngine } from "./engine-directory.ts";
import { settleEngines } from "./settle-engines.ts";
import type { StorageEngine } from "./storage-engine.ts";

/**
 * Opens the engine of a stopped member's data directory, whichever it is, for `use`, and closes it again. The engine and
 * its directory are tidied up as at every start; no row is changed. Rejects with `DIRECTORY_LOCKED` while a member runs, with
 * `DIRECTORY_MISMATCH` where there is no engine or more than one, and as opening the engine does.
 */
export async function withStoppedStore<T>(
  directory: string,
  use: (engine: StorageEngine, name: EngineName) => Promise<T>,
): Promise<T> {
  const unlock = await lockDirectory(directory);
  try {
    await settleEngines(directory);
    const name = await onlyEngineIn(directory);
    const engine = await openEngine(name, engineDirectory(directory, name));
    return await closeAfter(engine, () => use(engine, name));
  } finally {
    await unlock();
  }
}

async function onlyEngineIn(directory: string): Promise<EngineName> {
  const found = await enginesIn(directory);
  const name = engineNames.find((each) => each === found[0]);
  if (name !== undefined && found.length === 1) return name;
  const what =
    found.length > 1
      ? `has ${found.join(" and ")}: a conversion was cut short, run it again`
      : "holds no store of a known engine";
  throw new RaftKvError("DIRECTORY_MISMATCH", `${directory} ${what}`);
}
