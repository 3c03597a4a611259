import type { HardState, Index } from "../raft/entry.ts";
import type { StoredBase } from "./base-row.ts";
import type { EngineHome } from "./engine-home.ts";
import type { EngineSlot } from "./engine-slot.ts";
import type { Installation } from "./installation.ts";
import type { LogSize } from "./log-size.ts";
import { formatVersions, identityRow, type Progress, progressRow, type StoredIdentity } from "./meta-rows.ts";
import type { RowSweeper } from "./row-sweeper.ts";
import type { RowChange } from "./storage-engine.ts";
import type { UseGuard } from "./use-guard.ts";
import type { WatermarkKeeper } from "./watermark-keeper.ts";
import type { WriteLane } from "./write-lane.ts";
import type { WriteWatch } from "./write-watch.ts";

/** How the store deals with an installation. */
export interface InstallationControl {
  /** Whether it is about to be the state, or is. */
  readonly finishing: boolean;
  /** Makes it known on the disk, in the place of the one before. */
  begin(former: StoreInstallation | undefined): Promise<void>;
  /** Ends it because another takes its place. Resolves when nothing of it is being written. */
  retire(): Promise<void>;
  /** Removes in the background what {@link InstallationControl.retire} left. */
  sweep(): void;
  /** Ends what it has open, for a close of the store. */
  release(): Promise<void>;
}

/** An installation as the store deals with it. */
export type StoreInstallation = Installation & InstallationControl;

/** What an open store knows of itself, shared by everything that reads and writes it. */
export interface StoreState {
  readonly engine: EngineSlot;
  /** `undefined` where the engine has no files that could be given away or taken. */
  readonly home: EngineHome | undefined;
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
  installation: StoreInstallation | undefined;
  /** Ends when the engine before the one in use, and its files, are gone; never rejects. `undefined` when there is none. */
  former: Promise<void> | undefined;
  /** No state row has a higher generation than this. */
  highestGeneration: number;
}

/**
 * Writes a batch that changes log, state or hard state, with the progress that it makes. Runs in the lane. `show` is called
 * at the moment from which readers see the batch.
 */
export async function commit(state: StoreState, rows: RowChange[], show: () => void = () => {}): Promise<void> {
  state.progress = { ...state.progress, writes: state.progress.writes + 1 };
  rows.push(progressRow(state.progress));
  await state.writes.watch(() => state.engine.write(rows));
  showWritten(state, show);
}

/** What was written, with the progress, is durable: `show` makes it what readers see. */
export function showWritten(state: StoreState, show: () => void): void {
  const { writes, tail } = state.progress;
  state.readableIndex = tail.index;
  show();
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
