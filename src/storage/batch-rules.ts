import { assert } from "../lib/assert.ts";
import type { HardState, Index } from "../raft/entry.ts";
import type { LogTail } from "./log-record.ts";
import type { StoreBatch } from "./member-store.ts";

/** What a store holds durably. */
export interface DurableState {
  readonly hardState: HardState;
  readonly tail: LogTail;
  readonly appliedIndex: Index;
}

/** Asserts what every batch owes the state before it; a batch that breaks a rule comes from a bug and must not be written. */
export function checkBatch(batch: StoreBatch, before: DurableState): void {
  const hardState = batch.hardState ?? before.hardState;
  checkHardState(hardState, before.hardState);
  checkTruncation(batch.truncateFrom, before);
  const lastIndex = checkEntries(batch, before, hardState);
  assert(
    hardState.commitIndex <= lastIndex,
    () => `commit index ${hardState.commitIndex} is beyond the log (${lastIndex})`,
  );
  if (batch.appliedIndex === undefined) {
    assert(batch.stateChanges.length === 0, "state rows come without the applied index they belong to");
    return;
  }
  const { appliedIndex } = batch;
  assert(
    appliedIndex >= before.appliedIndex,
    () => `applied index falls from ${before.appliedIndex} to ${appliedIndex}`,
  );
  assert(appliedIndex <= lastIndex, () => `applied index ${appliedIndex} is beyond the log (${lastIndex})`);
}

function checkHardState(next: HardState, before: HardState): void {
  assert(next.term >= before.term, () => `term falls from ${before.term} to ${next.term}`);
  assert(
    next.term > before.term || before.votedFor === null || next.votedFor === before.votedFor,
    () => `vote of term ${next.term} changes from ${before.votedFor} to ${next.votedFor}`,
  );
  assert(
    next.commitIndex >= before.commitIndex,
    () => `commit index falls from ${before.commitIndex} to ${next.commitIndex}`,
  );
}

function checkTruncation(truncateFrom: Index | undefined, before: DurableState): void {
  if (truncateFrom === undefined) return;
  assert(truncateFrom > before.hardState.commitIndex, () => `truncation at ${truncateFrom} removes committed entries`);
  assert(truncateFrom > before.appliedIndex, () => `truncation at ${truncateFrom} removes applied entries`);
}

/** Gives the last index after the batch. */
function checkEntries({ entries, truncateFrom }: StoreBatch, { tail }: DurableState, hardState: HardState): Index {
  let lastIndex = truncateFrom === undefined ? tail.index : Math.min(tail.index, truncateFrom - 1);
  let term = truncateFrom === undefined ? tail.term : 0;
  for (const entry of entries) {
    assert(entry.index === lastIndex + 1, () => `entry ${entry.index} does not follow ${lastIndex}`);
    assert(entry.term >= term, () => `entry ${entry.index} has term ${entry.term}, below the ${term} before it`);
    lastIndex = entry.index;
    term = entry.term;
  }
  assert(
    term <= hardState.term,
    () => `entry ${lastIndex} has term ${term}, beyond the hard state's ${hardState.term}`,
  );
  return lastIndex;
}
