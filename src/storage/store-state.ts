import type { HardState, Index } from "../raft/entry.ts";
import type { StoredBase } from "./base-row.ts";
import type { EngineInstallation } from "./engine-installation.ts";
import type { LogSize } from "./log-size.ts";
import { formatVersions, identityRow, type Progress, progressRow, type StoredIdentity } from "./meta-rows.ts";
import type { RowSweeper } from "./row-sweeper.ts";
import type { RowChange, StorageEngine } from "./storage-engine.ts";
import type { UseGuard } from "./use-guard.ts";
import type { WatermarkKeeper } from "./watermark-keeper.ts";
import type { WriteLane } from "./write-lane.ts";
import type { WriteWatch } from "./write-watch.ts";

/** What an open store knows of itself, shared by everything that reads and writes it. */
export interface StoreState {
  readonly engine: StorageEngine;
  /** `undefined` where nothing outside the engine is kept. */
  readonly keeper: WatermarkKeeper | undefined;
  readonly guard: UseGuard;
  readonly lane: WriteLane;
  readonly writes: WriteWatch;
  readonly sweeper: RowSweeper;
  /** Records that one batch removes at most. */
  readonly truncationStep: number;
  /** Bytes of rows after which the row of an installation is written again. */
  readonly installationMarkBytes: number;

  identity: StoredIdentity;
  hardState: HardState;
  /** What the engine holds; while a write is under way, what it will hold. */
  progress: Progress;
  /** As readers see it: changed when the row that says so is durable. */
  base: StoredBase;
  readonly logSize: LogSize;
  /** Last entry that may be read; below the log's end while the entries after it are being written or replaced. */
  readableIndex: Index;
  /** The one that was begun and has not ended. */
  installation: EngineInstallation | undefined;
  /** No state row has a higher generation than this. */
  highestGeneration: number;
}

/**
 * Writes a batch that changes log, state or hard state, with the progress that it makes. Runs in the lane. `landed` is called
 * at the moment from which readers see the batch.
 */
export async function commit(state: StoreState, rows: RowChange[], landed: () => void = () => {}): Promise<void> {
  state.progress = { ...state.progress, writes: state.progress.writes + 1 };
  rows.push(progressRow(state.progress));
  await state.writes.watch(() => state.engine.write(rows));
  const { writes, tail } = state.progress;
  state.readableIndex = tail.index;
  landed();
  state.keeper?.advance({ writes, tail, hardStateTerm: state.hardState.term });
}

/** What has to be in a batch with rows that the oldest format does not have. */
export function formatRows(state: StoreState): RowChange[] {
  const { newest: formatVersion } = formatVersions;
  return state.identity.formatVersion === formatVersion ? [] : [identityRow({ ...state.identity, formatVersion })];
}

/** Notes that {@link formatRows} are durable. */
export function formatWritten(state: StoreState): void {
  state.identity = { ...state.identity, formatVersion: formatVersions.newest };
}
