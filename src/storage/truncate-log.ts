import type { Index } from "../raft/entry.ts";
import type { RowChange } from "./storage-engine.ts";
import { commit, type StoreState } from "./store-state.ts";
import { planTruncation } from "./truncation.ts";

/**
 * Adds the removal of everything from `from` on to `rows`. Only where that is more than one batch may remove, all but the
 * last step are written here, the end of the log first: a crash in between leaves a log that is whole and still too long.
 * Runs in the lane.
 */
export async function truncate(state: StoreState, from: Index, rows: RowChange[]): Promise<void> {
  const { engine, keeper, truncationStep } = state;
  for (let last = state.progress.tail.index; last >= from; last = state.progress.tail.index) {
    const first = Math.max(from, last - truncationStep + 1);
    const { deletes, tail, removedBytes } = await planTruncation(engine, state.base, first, last);
    state.readableIndex = tail.index;
    await keeper?.lowerTo(tail);
    for (const change of deletes) rows.push(change);
    state.progress = { ...state.progress, tail };
    state.logSizeBytes -= removedBytes;
    if (first > from) await commit(state, rows.splice(0));
  }
}
