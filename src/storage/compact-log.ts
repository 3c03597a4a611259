import { assert } from "../lib/assert.ts";
import type { LogBase } from "../raft/log-base.ts";
import { baseRow, type StoredBase } from "./base-row.ts";
import { readTail } from "./read-log.ts";
import { logRecords } from "./row-keys.ts";
import { commit, formatRows, formatWritten, type StoreState } from "./store-state.ts";

/**
 * Moves the log's base to `base`. One batch makes the records up to there garbage; they are removed afterwards, so that a
 * crash at any moment leaves the old log or the new one.
 */
export async function compactLog(state: StoreState, base: LogBase): Promise<void> {
  const { base: before, progress } = state;
  assert(base.index >= before.index, () => `the log's base falls from ${before.index} to ${base.index}`);
  assert(base.index <= progress.appliedIndex, () => `entry ${base.index} is not applied (${progress.appliedIndex})`);
  assert(base.configuration.index <= base.index, () => `the configuration of ${base.index} is a later one`);
  if (base.index === before.index) return;
  await state.lane.run(() => moveBase(state, base));
}

async function moveBase(state: StoreState, base: LogBase): Promise<void> {
  const { base: before, engine, logSize, sweeper } = state;
  // A snapshot that was installed meanwhile stands beyond everything that was applied.
  if (before.index >= base.index) return;
  const { term, checksum } = readTail(engine, base.index);
  assert(term === base.term, () => `entry ${base.index} has term ${term}, its base says ${base.term}`);
  const mark = await logSize.markAt(engine, base.index);
  const moved: StoredBase = { ...base, checksum, generation: before.generation };
  await commit(state, [...formatRows(state), baseRow(moved)], () => {
    formatWritten(state);
    state.base = moved;
    logSize.moveBase(mark);
  });
  sweeper.sweep(logRecords(before.index + 1, base.index));
}
