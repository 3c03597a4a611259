import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";
import { checkIdentity } from "./directory-identity.ts";
import { EngineMemberStore } from "./engine-member-store.ts";
import type { MemberStore } from "./member-store.ts";
import { hardStateRow, identityRow, progressRow, readIdentity, type StoredIdentity } from "./meta-rows.ts";
import { emptyLog, recoverStore } from "./recover-store.ts";
import { everyRow, metaKeys } from "./row-keys.ts";
import type { StorageEngine } from "./storage-engine.ts";
import { truncationStepMax } from "./truncation.ts";
import { UseGuard } from "./use-guard.ts";
import { initialWatermark, lost, type Watermark, type WatermarkFile } from "./watermark.ts";
import { type StartTimer, startProcessTimer, WatermarkKeeper } from "./watermark-keeper.ts";

/** What {@link openStoreOver} opens, and for whom. */
export interface OpenStoreOverOptions {
  /** Open, and used by nobody else; the store closes it. */
  readonly engine: StorageEngine;
  readonly clusterId: string;
  readonly memberId: MemberId;
  /** Configuration before the first configuration entry of the log. */
  readonly bootstrapConfiguration: Configuration;
  readonly logger: Logger;
  /** Makes the random identity of a new directory, 32 hexadecimal digits. */
  readonly newDirectoryId: () => string;
  /** Where the watermark is kept; the store closes it. Default: nowhere. */
  readonly watermarkFile?: WatermarkFile;
  /** The watermark trails the store by about this, milliseconds. Default 100. */
  readonly watermarkIntervalMs?: number;
  /** Default: the timers of the process. */
  readonly startTimer?: StartTimer;
  /** Entries that one batch removes at most. Default 65,536. */
  readonly truncationStep?: number;
  /** Runs last in a close. Default: nothing. */
  readonly release?: () => Promise<void>;
}

/**
 * Opens a store over an engine that is already open, makes it when the engine is empty, and verifies all of its log. Without
 * a directory, a lock or a clock of its own: for simulations and tests, and the last step of `openMemberStore`.
 *
 * Rejects with `DIRECTORY_MISMATCH`, `FORMAT_UNSUPPORTED`, `LOG_CORRUPT` or `STATE_CORRUPT`; engine and watermark file are
 * the caller's to close then.
 */
export async function openStoreOver(options: OpenStoreOverOptions): Promise<MemberStore> {
  const { engine, watermarkFile, logger } = options;
  const found = await watermarkFile?.read();
  const row = engine.get(metaKeys.identity);
  const { identity, watermark } = row === undefined ? await makeStore(options, found) : checkStore(options, row, found);
  const store = await recoverStore(engine, identity, watermark);
  const { recovered, progress } = store;
  const guard = new UseGuard(`store of member ${identity.memberId}`);
  const keeper = watermarkFile && watermark && startKeeper(watermarkFile, watermark, guard, options);
  keeper?.advance({ writes: progress.writes, tail: progress.tail, hardStateTerm: recovered.hardState.term });
  const { clusterId, memberId, dataDirectoryId, bootstrapConfiguration } = identity;
  const { lastIndex, appliedIndex, hardState, logSizeBytes } = recovered;
  logger.info(
    { clusterId, memberId, dataDirectoryId, term: hardState.term, lastIndex, appliedIndex, logSizeBytes },
    row === undefined ? "made the store" : "opened the store",
  );
  return new EngineMemberStore({
    ...store,
    engine,
    identity: { clusterId, memberId, dataDirectoryId, bootstrapConfiguration },
    keeper,
    guard,
    release: options.release ?? (async () => {}),
    truncationStep: options.truncationStep ?? truncationStepMax,
  });
}

interface Opening {
  readonly identity: StoredIdentity;
  /** What the watermark file holds; `undefined` where there is no such file. */
  readonly watermark: Watermark | undefined;
}

function checkStore(options: OpenStoreOverOptions, row: Uint8Array, found: Watermark | undefined): Opening {
  const identity = readIdentity(row);
  checkIdentity(identity, { ...options, engine: options.engine.name });
  if (options.watermarkFile !== undefined && found === undefined) {
    throw lost("the watermark of this directory is missing");
  }
  return { identity, watermark: found };
}

/**
 * Writes what makes an empty engine a store. The watermark comes first, so that a directory with an identity always has one;
 * identity, hard state and progress are one batch, so that each of them is there or none.
 */
async function makeStore(options: OpenStoreOverOptions, found: Watermark | undefined): Promise<Opening> {
  const { engine, watermarkFile, clusterId, memberId, bootstrapConfiguration } = options;
  if (found !== undefined && found.writes > 0) {
    throw lost(`the store was durable to write ${found.writes} and entry ${found.tail.index}, the engine is empty`);
  }
  await refuseUnlessEmpty(engine);
  const dataDirectoryId = options.newDirectoryId();
  const identity = { clusterId, memberId, dataDirectoryId, bootstrapConfiguration, engine: engine.name };
  const tail = emptyLog(identity);
  const watermark = initialWatermark(tail);
  await watermarkFile?.write(watermark);
  await engine.write([
    identityRow(identity),
    hardStateRow({ term: 0, votedFor: null, commitIndex: 0 }),
    progressRow({ writes: 0, appliedIndex: 0, tail }),
  ]);
  return { identity, watermark: watermarkFile && watermark };
}

async function refuseUnlessEmpty(engine: StorageEngine): Promise<void> {
  for await (const _page of engine.iterate(everyRow, { limit: 1 })) {
    throw new RaftKvError("STATE_CORRUPT", "the identity row is missing from a store that has other rows");
  }
}

function startKeeper(
  file: WatermarkFile,
  found: Watermark,
  guard: UseGuard,
  { watermarkIntervalMs = 100, startTimer = startProcessTimer, logger }: OpenStoreOverOptions,
): WatermarkKeeper {
  const onFailure = (error: unknown): void => {
    guard.fail(error);
    logger.error({ error }, "the watermark could not be written; the store refuses everything from now on");
  };
  return new WatermarkKeeper(file, found, { intervalMs: watermarkIntervalMs, startTimer, onFailure });
}
