import { rmdir, stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Logger } from "../lib/logger.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";
import type { BackupFacts } from "./backup-format.ts";
import { closeAfter } from "./close-after.ts";
import { makeDirectory } from "./data-directory.ts";
import { lockDirectory } from "./directory-lock.ts";
import type { EngineName } from "./engine-directory.ts";
import { type ExplainFailure, failAfter } from "./fail-after.ts";
import type { RowsInstallation } from "./installation.ts";
import type { MemberStore } from "./member-store.ts";
import { openMemberStore } from "./open-member-store.ts";
import { type BackupListener, type ReadBackup, readBackup } from "./read-backup.ts";
import { moveRestored, refuseUnlessFree, removeRestored, restoringDirectory } from "./restoring-directory.ts";
import { systemCode } from "./system-code.ts";

/** What {@link restoreStore} makes. */
export interface RestoreOptions {
  /** Data directory to make; must not exist, or be empty, and may be a mount point. */
  readonly directory: string;
  readonly engineName: EngineName;
  /** Cluster and member that the directory is to be of, and the new cluster's first configuration. */
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly configuration: Configuration;
  readonly logger: Logger;
  /** Told bytes of the backup read so far. Default: nothing. */
  readonly onProgress?: (bytes: number) => void;
  /** Default: an error stays as it is. */
  readonly explain?: ExplainFailure;
}

/**
 * Makes the data directory of one member of a new cluster from a backup: its state, and a log that begins where the backup
 * stands, so that revisions and indexes go on from there and nobody with an empty directory counts as up to date. The
 * directory has its store when all of the backup was read and found whole, or has none; no member starts on one that was cut
 * short, and another restore replaces it.
 *
 * Rejects with `BACKUP_CORRUPT`, `FORMAT_UNSUPPORTED`, `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`, and as opening a store does.
 */
export async function restoreStore(pieces: AsyncIterable<Uint8Array>, options: RestoreOptions): Promise<ReadBackup> {
  const directory = resolve(options.directory);
  const wasThere = await isThere(directory);
  await makeDirectory(directory);
  const unlock = await lockDirectory(directory);
  try {
    await refuseUnlessFree(directory);
    return await restoreInto(directory, pieces, options);
  } catch (error) {
    // Not what was there before, nor what somebody else has put into it since.
    if (!wasThere) await rmdir(directory).catch(() => {});
    throw error;
  } finally {
    await unlock();
  }
}

async function restoreInto(directory: string, pieces: AsyncIterable<Uint8Array>, options: RestoreOptions) {
  const { engineName, explain } = options;
  try {
    await removeRestored(directory, engineName);
    const restored = await fill(restoringDirectory(directory), pieces, options);
    await moveRestored(directory, engineName);
    return restored;
  } catch (error) {
    throw await failAfter(error, directory, () => removeRestored(directory, engineName), explain);
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    return false;
  }
}

async function fill(directory: string, pieces: AsyncIterable<Uint8Array>, options: RestoreOptions) {
  const { engineName, clusterId, memberId, configuration, logger, onProgress } = options;
  // As of a member that joined: who takes part is in the log, not in the options that it is started with.
  const bootstrapConfiguration = { ...configuration, voters: [] };
  const chooseOwner = async () => ({ clusterId, memberId, bootstrapConfiguration });
  const store = await openMemberStore({ directory, engineName, chooseOwner, logger });
  return closeAfter(store, async () => {
    let installation: RowsInstallation | undefined;
    const listener: BackupListener = {
      header: async (facts) => {
        installation = await beginRestore(store, memberId, configuration, facts);
      },
      rows: async (rows) => installation?.addRows(rows),
      ...(onProgress && { progress: onProgress }),
    };
    const backup = await readBackup(pieces, listener);
    await installation?.finish(() => {});
    return backup;
  });
}

async function beginRestore(
  store: MemberStore,
  from: MemberId,
  configuration: Configuration,
  { base: { index, term } }: BackupFacts,
): Promise<RowsInstallation> {
  await store.write({ hardState: { term, votedFor: null, commitIndex: 0 }, entries: [], stateChanges: [] });
  const base = { index, term, configuration: { index, configuration } };
  return store.beginInstallation({ snapshotId: "backup", from, base });
}
