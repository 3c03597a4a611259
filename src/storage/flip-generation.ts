import { assert } from "../lib/assert.ts";
import type { LogBase } from "../raft/log-base.ts";
import { baseRow, type StoredBase } from "./base-row.ts";
import type { StoredInstallation } from "./installation-row.ts";
import { emptyLog, type LogTail } from "./log-record.ts";
import { hardStateRow } from "./meta-rows.ts";
import { readTail } from "./read-log.ts";
import { generationRange, logRecords, metaKeys } from "./row-keys.ts";
import type { RowChange } from "./storage-engine.ts";
import { commit, formatRows, formatWritten, type StoreState } from "./store-state.ts";
import { truncate } from "./truncate-log.ts";

/** Asserts what an installed snapshot owes the store; one that breaks a rule comes from a bug and must not be turned to. */
export function checkFlip({ hardState, progress }: StoreState, { index, term, configuration }: LogBase): void {
  assert(index > hardState.commitIndex, () => `the snapshot at ${index} is not beyond what is committed`);
  assert(index > progress.appliedIndex, () => `the snapshot at ${index} is not beyond what is applied`);
  assert(term <= hardState.term, () => `the snapshot's term ${term} is beyond the hard state's ${hardState.term}`);
  assert(configuration.index <= index, () => `the configuration of ${index} is a later one`);
}

/**
 * Turns to the generation that was filled. One batch moves state, base, configuration, applied and commit index; rows and
 * records of before are removed afterwards. Runs in the lane.
 *
 * The log is kept after the base if it has the base's entry: then it agrees with the leader's up to there. If not, it holds
 * nothing that is committed beyond its commit index, and is given up: what contradicts the snapshot is truncated first, as a
 * leader's entries would have done it, because records behind the base would be taken for the log.
 */
export async function flipGeneration(
  state: StoreState,
  { source: { base }, generation }: StoredInstallation,
  switched: () => void,
): Promise<void> {
  const { base: before, engine, logSize, sweeper } = state;
  const rows: RowChange[] = [];
  const own = ownTailAt(state, base);
  if (own === undefined) await truncate(state, base.index, rows);
  const mark = own && (await logSize.markAt(engine, base.index));
  const { index } = base;
  const tail = tailAfter(state, base, own);
  const flipped: StoredBase = { ...base, checksum: tail.checksum, generation };
  state.hardState = { ...state.hardState, commitIndex: index };
  state.progress = { ...state.progress, appliedIndex: index, tail: own === undefined ? tail : state.progress.tail };
  rows.push(...formatRows(state), baseRow(flipped), hardStateRow(state.hardState));
  rows.push({ type: "delete", key: metaKeys.installation });
  await commit(state, rows, () => {
    formatWritten(state);
    state.base = flipped;
    if (mark === undefined) logSize.reset(index);
    else logSize.moveBase(mark);
    state.installation = undefined;
    switched();
  });
  sweeper.sweep(generationRange(before.generation), { reclaim: true });
  sweeper.sweep(logRecords(before.index + 1, index));
}

/** The log's own end of the chain at the snapshot's entry; `undefined` when the log does not have that entry. */
export function ownTailAt({ engine, progress }: StoreState, { index, term }: LogBase): LogTail | undefined {
  if (index > progress.tail.index) return undefined;
  const tail = readTail(engine, index);
  return tail.term === term ? tail : undefined;
}

/** What the log is chained to at the snapshot's entry; where it does not have that, what a new log begins with. */
export function tailAfter({ identity }: StoreState, { index, term }: LogBase, own: LogTail | undefined): LogTail {
  return own ?? { index, term, checksum: emptyLog(identity).checksum };
}
