import { RaftKvError } from "../lib/errors.ts";
import type { LogFields, Logger } from "../lib/logger.ts";
import type { Configuration, MemberId } from "../raft/configuration.ts";
import { checkIdentity } from "./directory-identity.ts";
import type { EngineHome } from "./engine-home.ts";
import { EngineMemberStore } from "./engine-member-store.ts";
import { EngineSlot } from "./engine-slot.ts";
import { FileInstallation } from "./file-installation.ts";
import { emptyLog } from "./log-record.ts";
import type { MemberStore } from "./member-store.ts";
import {
  formatVersions,
  hardStateRow,
  identityRow,
  progressRow,
  readIdentity,
  type StoredIdentity,
} from "./meta-rows.ts";
import { type RecoveredStore, recoverStore } from "./recover-store.ts";
import { installationMarkBytesDefault, RowInstallation } from "./row-installation.ts";
import { everyRow, generationRange, logKey, logRange, metaKeys } from "./row-keys.ts";
import { RowSweeper } from "./row-sweeper.ts";
import type { StorageEngine } from "./storage-engine.ts";
import type { StoreState } from "./store-state.ts";
import { truncationStepMax } from "./truncate-log.ts";
import { UseGuard } from "./use-guard.ts";
import { initialWatermark, lost, type Watermark, type WatermarkFile } from "./watermark.ts";
import { type StartTimer, startProcessTimer, WatermarkKeeper } from "./watermark-keeper.ts";
import { WriteLane } from "./write-lane.ts";
import { WriteWatch } from "./write-watch.ts";

/** What {@link openStoreOver} opens, and for whom. */
export interface OpenStoreOverOptions {
  /** Open, and used by nobody else; the store closes it. */
  readonly engine: StorageEngine;
  /** Where the engine has its files. Default: nowhere; snapshots are sent and taken in rows then. */
  readonly home?: EngineHome;
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
  /** Entries that one batch removes at most. Default 1024. */
  readonly truncationStep?: number;
  /** Bytes of rows after which an installation writes down how far it is. Default 128 MiB. */
  readonly installationMarkBytes?: number;
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
  const { recovered, progress, peerDirectories } = store;
  const guard = new UseGuard(`store of member ${identity.memberId}`);
  const writes = new WriteWatch();
  const keeper = watermarkFile && watermark && startKeeper(watermarkFile, watermark, { ...options, guard, writes });
  keeper?.advance({ writes: progress.writes, tail: progress.tail, hardStateTerm: recovered.hardState.term });
  const state = storeState(options, identity, store, { guard, writes, keeper });
  await takeUpInstallation(state, store);
  const { clusterId, memberId, dataDirectoryId, bootstrapConfiguration } = identity;
  logger.info(
    { clusterId, memberId, dataDirectoryId, ...factsOf(store) },
    row === undefined ? "made the store" : "opened the store",
  );
  sweepLeftovers(state, store);
  return new EngineMemberStore({
    state,
    identity: { clusterId, memberId, dataDirectoryId, bootstrapConfiguration },
    recovered,
    peerDirectories,
    divergence: store.divergence,
    release: options.release ?? (async () => {}),
  });
}

function storeState(
  {
    engine,
    home,
    logger,
    truncationStep = truncationStepMax,
    installationMarkBytes = installationMarkBytesDefault,
  }: OpenStoreOverOptions,
  identity: StoredIdentity,
  { recovered, progress, base, logSize, installation, generations }: RecoveredStore,
  shared: Pick<StoreState, "guard" | "writes" | "keeper">,
): StoreState {
  const slot = new EngineSlot(engine);
  const sweeper = new RowSweeper(slot, (error) => {
    shared.guard.fail(error);
    logger.error({ error }, "garbage could not be removed; the store refuses everything from now on");
  });
  return {
    ...shared,
    engine: slot,
    home,
    lane: new WriteLane(shared.guard),
    sweeper,
    truncationStep,
    installationMarkBytes,
    identity,
    hardState: recovered.hardState,
    progress,
    base,
    logSize,
    readableIndex: progress.tail.index,
    installation: undefined,
    former: undefined,
    highestGeneration: Math.max(base.generation, installation?.generation ?? 0, ...generations),
  };
}

/** The installation that was begun and has not ended. Of two, the one in rows was begun later: the other had to go first, and has not. */
async function takeUpInstallation(state: StoreState, { installation }: RecoveredStore): Promise<void> {
  const { home } = state;
  const incoming = home?.incoming;
  if (installation !== undefined) {
    await incoming?.remove();
    state.installation = new RowInstallation(state, installation);
  } else if (home !== undefined && incoming !== undefined) {
    state.installation = new FileInstallation(state, home, incoming.source, incoming);
  }
}

/** What a log line tells about a store. */
function factsOf({ recovered, base, installation }: RecoveredStore): LogFields {
  const { hardState, lastIndex, appliedIndex, logSizeBytes } = recovered;
  const facts = { term: hardState.term, logFirstIndex: base.index + 1, lastIndex, appliedIndex, logSizeBytes };
  return installation === undefined ? facts : { ...facts, installedRows: installation.rowCount };
}

/** Removes what a crash kept from being removed. */
function sweepLeftovers({ sweeper }: StoreState, { base, installation, generations }: RecoveredStore): void {
  if (base.index > 0) sweeper.sweep({ start: logRange.start, end: logKey(base.index + 1) });
  for (const generation of generations) {
    if (generation !== base.generation && generation !== installation?.generation) {
      sweeper.sweep(generationRange(generation), { reclaim: true });
    }
  }
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
  const { oldest: formatVersion } = formatVersions;
  const identity = { clusterId, memberId, dataDirectoryId, bootstrapConfiguration, engine: engine.name, formatVersion };
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
  {
    guard,
    writes,
    watermarkIntervalMs = 100,
    startTimer = startProcessTimer,
    logger,
  }: OpenStoreOverOptions & Pick<StoreState, "guard" | "writes">,
): WatermarkKeeper {
  const watched: WatermarkFile = {
    read: () => file.read(),
    write: (watermark) => writes.watch(() => file.write(watermark)),
    close: () => file.close(),
  };
  const onFailure = (error: unknown): void => {
    guard.fail(error);
    logger.error({ error }, "the watermark could not be written; the store refuses everything from now on");
  };
  return new WatermarkKeeper(watched, found, { intervalMs: watermarkIntervalMs, startTimer, onFailure });
}
