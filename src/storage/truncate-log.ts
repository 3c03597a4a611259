import type { Index } from "../raft/entry.ts";
import type { LogTail } from "./log-record.ts";
import { readTail } from "./read-log.ts";
import { logKey } from "./row-keys.ts";
import type { RowChange } from "./storage-engine.ts";
import { commit, type StoreState } from "./store-state.ts";

/** Records that one batch removes at most, unless told otherwise: a few milliseconds of the event loop. */
export const truncationStepMax = 1024;

/**
 * Adds the removal of everything from `from` on to `rows`. Only where that is more than one batch may remove, all but the
 * last step are written here, the end of the log first: a crash in between leaves a log that is whole and still too long.
 * Runs in the lane.
 */
export async function truncate(state: StoreState, from: Index, rows: RowChange[]): Promise<void> {
  const { engine, keeper, logSize, truncationStep } = state;
  for (let last = state.progress.tail.index; last >= from; last = state.progress.tail.index) {
    const first = Math.max(from, last - truncationStep + 1);
    const tail = tailAt(state, first - 1);
    const mark = await logSize.markAt(engine, tail.index);
    state.readableIndex = tail.index;
    await keeper?.lowerTo(tail);
    for (let removed = first; removed <= last; removed += 1) rows.push({ type: "delete", key: logKey(removed) });
    state.progress = { ...state.progress, tail };
    logSize.moveEnd(mark);
    if (first > from) await commit(state, rows.splice(0));
  }
}

function tailAt({ base, engine }: StoreState, index: Index): LogTail {
  const { term, checksum } = index === base.index ? base : readTail(engine, index);
  return { index, term, checksum };
}
