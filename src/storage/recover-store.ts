import type { RaftKvError } from "../lib/errors.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { HardState } from "../raft/entry.ts";
import { readBase, type StoredBase } from "./base-row.ts";
import { damaged } from "./damaged.ts";
import { type Divergence, readDivergence } from "./divergence.ts";
import type { StoredInstallation } from "./installation-row.ts";
import { damagedEntry, emptyLog, type LogTail } from "./log-record.ts";
import type { LogSize } from "./log-size.ts";
import type { DirectoryIdentity, RecoveredState } from "./member-store.ts";
import { missingRow } from "./message-row.ts";
import { type Progress, readHardState, readPeerDirectory, readProgress } from "./meta-rows.ts";
import { recoverInstallation } from "./recover-installation.ts";
import { firstGeneration, metaKeys, metaRange, peerRange, unusedRanges } from "./row-keys.ts";
import { generationsIn } from "./state-generations.ts";
import type { RowReader } from "./storage-engine.ts";
import { type VerifiedLog, verifyLog } from "./verify-log.ts";
import { checkAgainstWatermark, checkEntryAtWatermark, type Watermark } from "./watermark.ts";

/** A store as its rows describe it, verified. */
export interface RecoveredStore {
  readonly base: StoredBase;
  readonly progress: Progress;
  readonly logSize: LogSize;
  readonly recovered: RecoveredState;
  /** The installation that was begun and has not ended. */
  readonly installation: StoredInstallation | undefined;
  /** How the state was found to differ from that of the majority. */
  readonly divergence: Divergence | undefined;
  /** Every generation that has state rows, ascending. */
  readonly generations: readonly number[];
  readonly peerDirectories: ReadonlyMap<MemberId, string>;
}

/**
 * Reads everything but the state rows in use and checks that it fits together, and the watermark if there is one. Records up
 * to the log's base are garbage, and not looked at. Rejects with `LOG_CORRUPT` or `STATE_CORRUPT`.
 */
export async function recoverStore(
  engine: RowReader,
  identity: DirectoryIdentity,
  watermark: Watermark | undefined,
): Promise<RecoveredStore> {
  const hardState = readHardState(metaRow(engine, "hardState"));
  const progress = readProgress(metaRow(engine, "progress"));
  if (watermark !== undefined) checkAgainstWatermark(watermark, progress, hardState.term);
  await refuseStrangeRows(engine);
  const base = recoverBase(engine, identity);
  const log = await verifyLog(engine, base, watermark?.tail.index ?? 0);
  checkTail(log.tail, progress.tail);
  checkFit(hardState, progress, base);
  if (watermark !== undefined && log.mark !== undefined) checkEntryAtWatermark(watermark, log.mark);
  const divergence = engine.get(metaKeys.divergence);
  return {
    base,
    progress,
    logSize: log.size,
    recovered: recoveredState(base, hardState, progress, log),
    installation: await recoverInstallation(engine),
    divergence: divergence && readDivergence(divergence),
    generations: await generationsIn(engine),
    peerDirectories: await readPeers(engine),
  };
}

/** The base of a log; of one that was never compacted, what its first record follows. */
export function recoverBase(engine: RowReader, identity: DirectoryIdentity): StoredBase {
  const row = engine.get(metaKeys.base);
  if (row !== undefined) return readBase(row);
  const configuration = { index: 0, configuration: identity.bootstrapConfiguration };
  return { ...emptyLog(identity), configuration, generation: firstGeneration };
}

function recoveredState(base: StoredBase, hardState: HardState, progress: Progress, log: VerifiedLog): RecoveredState {
  return {
    hardState,
    logBase: { index: base.index, term: base.term },
    baseConfiguration: base.configuration,
    lastIndex: log.tail.index,
    termRuns: log.termRuns,
    configurationEntries: log.configurationEntries,
    appliedIndex: progress.appliedIndex,
    logSizeBytes: log.size.bytes,
  };
}

function metaRow(engine: RowReader, name: "hardState" | "progress"): Uint8Array {
  const value = engine.get(metaKeys[name]);
  if (value === undefined) throw missingRow(name);
  return value;
}

/** A row that no rule put there is damage: it may be another row whose key was hit, and that one is missing now. */
async function refuseStrangeRows(engine: RowReader): Promise<void> {
  const known = Object.values(metaKeys).map((key) => Buffer.from(key).toString("hex"));
  for (const range of [metaRange, ...unusedRanges]) {
    for await (const page of engine.iterate(range, { limit: known.length + 1 })) {
      for (const [key] of page) {
        const name = Buffer.from(key).toString("hex");
        if (!known.includes(name)) throw strange(`a row of no known kind is there (key ${name})`);
      }
    }
  }
}

function checkTail(found: LogTail, due: LogTail): void {
  if (found.index < due.index) throw damagedEntry(found.index + 1, `it is missing, the log should end at ${due.index}`);
  if (found.index > due.index) throw damagedEntry(due.index + 1, "it stands behind the end of the log");
  if (found.checksum !== due.checksum || found.term !== due.term) {
    throw damagedEntry(due.index, "it is not the one that was written last");
  }
}

function checkFit({ term, commitIndex }: HardState, { appliedIndex, tail }: Progress, base: StoredBase): void {
  if (term < tail.term) throw strange(`the hard state has term ${term}, the log has ${tail.term}`);
  if (commitIndex > tail.index) throw strange(`the commit index is ${commitIndex}, the log ends at ${tail.index}`);
  if (appliedIndex > tail.index) throw strange(`the applied index is ${appliedIndex}, the log ends at ${tail.index}`);
  if (appliedIndex < base.index)
    throw strange(`the applied index is ${appliedIndex}, the log begins after ${base.index}`);
}

async function readPeers(engine: RowReader): Promise<Map<MemberId, string>> {
  const peers = new Map<MemberId, string>();
  for await (const page of engine.iterate(peerRange)) {
    for (const [key, value] of page) {
      const { memberId, dataDirectoryId } = readPeerDirectory(key, value);
      peers.set(memberId, dataDirectoryId);
    }
  }
  return peers;
}

function strange(what: string): RaftKvError {
  return damaged("STATE_CORRUPT", what);
}
