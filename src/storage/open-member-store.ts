import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import { closeGivenUp } from "./close-after.ts";
import { makeDirectory, syncDirectory, unusable } from "./data-directory.ts";
import { openDirectoryHome } from "./directory-home.ts";
import { lockDirectory } from "./directory-lock.ts";
import { type EngineName, engineDirectory, openEngine, refuseOtherEngine } from "./engine-directory.ts";
import type { DirectoryIdentity, MemberStore } from "./member-store.ts";
import { readIdentity } from "./meta-rows.ts";
import { openStoreOver } from "./open-store-over.ts";
import { refuseCutRestore } from "./restoring-directory.ts";
import { metaKeys } from "./row-keys.ts";
import { settleEngines } from "./settle-engines.ts";
import { watermarkFileAt, watermarkFileName } from "./watermark-file.ts";

/** Whose a directory is to be. */
export type StoreOwner = Omit<DirectoryIdentity, "dataDirectoryId">;

/** What {@link openMemberStore} opens, and for whom. */
export interface OpenMemberStoreOptions {
  /** Data directory of this member alone; made when it is missing. */
  readonly directory: string;
  readonly engineName: EngineName;
  /**
   * Tells whose the directory has to be, given whose it is; `undefined` of an empty one. Called while the directory is locked;
   * what it rejects with ends the opening.
   */
  readonly chooseOwner: (stored: DirectoryIdentity | undefined) => Promise<StoreOwner>;
  readonly logger: Logger;
  /** The watermark trails the store by about this, milliseconds. Default 100. */
  readonly watermarkIntervalMs?: number;
}

/**
 * Opens the store of a member, or makes it, and verifies all of its log.
 *
 * Rejects with `DIRECTORY_LOCKED`, `DIRECTORY_MISMATCH`, `DIRECTORY_UNUSABLE`, `FORMAT_UNSUPPORTED`, `LOG_CORRUPT` or
 * `STATE_CORRUPT`, each naming the directory, and has let go of everything then (docs/storage.md).
 */
export async function openMemberStore(options: OpenMemberStoreOptions): Promise<MemberStore> {
  const { directory, engineName } = options;
  await makeDirectory(directory);
  const unlock = await lockDirectory(directory);
  try {
    await settleEngines(directory);
    await refuseCutRestore(directory);
    await refuseOtherEngine(directory, engineName);
    const engine = await openEngine(engineName, engineDirectory(directory, engineName));
    const watermarkFile = watermarkFileAt(join(directory, watermarkFileName));
    try {
      // The engine made names in there, some of them without a sync of their own.
      await syncDirectory(engineDirectory(directory, engineName));
      await syncDirectory(directory);
      const row = engine.get(metaKeys.identity);
      const owner = await options.chooseOwner(row && readIdentity(row));
      const newDirectoryId = (): string => randomBytes(16).toString("hex");
      const home = await openDirectoryHome(directory, engineName);
      return await openStoreOver({
        ...options,
        ...owner,
        engine,
        home,
        watermarkFile,
        newDirectoryId,
        release: unlock,
      });
    } catch (error) {
      await closeGivenUp(engine);
      await closeGivenUp(watermarkFile);
      throw named(directory, error);
    }
  } catch (error) {
    await unlock();
    throw error instanceof RaftKvError ? error : unusable(directory, "cannot be opened", error);
  }
}

/** The same error, for whoever runs members in many directories; what opens the store over an engine knows of none. */
function named(directory: string, error: unknown): unknown {
  if (!(error instanceof RaftKvError)) return error;
  return new RaftKvError(error.code, `${directory}: ${error.message}`, { cause: error });
}
