import { readdir, rename, rm, rmdir, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";
import type { BackupFacts } from "./backup-format.ts";
import { makeDirectory, syncDirectory, systemCode } from "./data-directory.ts";
import type { EngineName } from "./engine-directory.ts";
import type { Installation } from "./installation.ts";
import type { MemberStore } from "./member-store.ts";
import { openMemberStore } from "./open-member-store.ts";
import { type BackupListener, type ReadBackup, readBackup } from "./read-backup.ts";

/** What {@link restoreStore} makes. */
export interface RestoreOptions {
  /** Data directory to make; must not exist, or be empty. */
  readonly directory: string;
  readonly engineName: EngineName;
  /** Cluster and member that the directory is to be of, and the new cluster's first configuration. */
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly configuration: Configuration;
  readonly logger: Logger;
  /** Told bytes of the backup read so far. Default: nothing. */
  readonly onProgress?: (bytes: number) => void;
}

/**
 * Makes the data directory of one member of a new cluster from a backup: its state, and a log that begins where the backup
 * stands, so that revisions and indexes go on from there and nobody with an empty directory counts as up to date. The
 * directory appears whole, when all of the backup was read and found whole, or not at all.
 *
 * Rejects with `BACKUP_CORRUPT`, `FORMAT_UNSUPPORTED`, `DIRECTORY_UNUSABLE`, and as opening a store does.
 */
export async function restoreStore(pieces: AsyncIterable<Uint8Array>, options: RestoreOptions): Promise<ReadBackup> {
  const directory = resolve(options.directory);
  await refuseUnlessFree(directory);
  const unfinished = `${directory}.restoring`;
  await rm(unfinished, { recursive: true, force: true });
  try {
    const restored = await fill(unfinished, pieces, options);
    await removeIfEmpty(directory);
    await rename(unfinished, directory);
    await syncDirectory(dirname(directory));
    return restored;
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true });
    throw error;
  }
}

async function refuseUnlessFree(directory: string): Promise<void> {
  try {
    const names = (await stat(directory)).isDirectory() ? await readdir(directory) : ["it is a file"];
    if (names.length === 0) return;
  } catch (error) {
    if (systemCode(error) !== "ENOENT") throw error;
    await makeDirectory(dirname(directory));
    return;
  }
  throw notEmpty(directory);
}

/** Nothing is removed of what was put there while the backup was read, such as by a member that was started too early. */
async function removeIfEmpty(directory: string): Promise<void> {
  try {
    await rmdir(directory);
  } catch (error) {
    const code = systemCode(error);
    if (code === "ENOTEMPTY" || code === "EEXIST") throw notEmpty(directory);
    if (code !== "ENOENT") throw error;
  }
}

function notEmpty(directory: string): RaftKvError {
  const message = `${directory} is not empty; a backup is restored into a new directory`;
  return new RaftKvError("DIRECTORY_UNUSABLE", message);
}

async function fill(directory: string, pieces: AsyncIterable<Uint8Array>, options: RestoreOptions) {
  const { engineName, clusterId, memberId, configuration, logger, onProgress } = options;
  // As of a member that joined: who takes part is in the log, not in the options that it is started with.
  const bootstrapConfiguration = { ...configuration, voters: [] };
  const chooseOwner = async () => ({ clusterId, memberId, bootstrapConfiguration });
  const store = await openMemberStore({ directory, engineName, chooseOwner, logger });
  try {
    let installation: Installation | undefined;
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
  } finally {
    await store.close();
  }
}

async function beginRestore(
  store: MemberStore,
  from: MemberId,
  configuration: Configuration,
  { base: { index, term } }: BackupFacts,
): Promise<Installation> {
  await store.write({ hardState: { term, votedFor: null, commitIndex: 0 }, entries: [], stateChanges: [] });
  const base = { index, term, configuration: { index, configuration } };
  return store.beginInstallation({ snapshotId: "backup", from, base });
}
