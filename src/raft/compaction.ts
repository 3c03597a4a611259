import { invariant } from "./assert.ts";
import type { Index } from "./entry.ts";
import type { LogBase } from "./log-base.ts";
import type { RaftState } from "./raft-state.ts";

/** Where a snapshot at `index` stands, with the configuration that is committed there, not one that came after it. */
export function logBaseAt(state: RaftState, index: Index): LogBase {
  const term = state.log.termAt(index);
  invariant(
    term !== undefined && index <= state.commitIndex,
    () => `${index} is not between the log's base ${state.log.base.index} and the commit index ${state.commitIndex}`,
  );
  return { index, term, configuration: state.configurations.at(index) };
}

/**
 * Forgets the entries up to `index` (Raft paper, section 7); a follower that lacks one of them gets a snapshot. Forgets nothing
 * where the configuration at `index` is not known: a member that joined learns it from the log, and would have none to pass on.
 */
export function compact(state: RaftState, index: Index): LogBase {
  invariant(state.installing === null, "no compaction during an installation");
  invariant(
    index <= state.appliedIndex,
    () => `compaction to ${index}, but only ${state.appliedIndex} entries are applied`,
  );
  const base = logBaseAt(state, index);
  if (base.configuration.configuration.voters.length === 0) return logBaseAt(state, state.log.base.index);
  state.log.compactTo(index);
  state.configurations.compactTo(index);
  for (const progress of state.progress.values()) {
    if (progress.nextIndex <= index) progress.becomeSnapshot(index);
  }
  return base;
}
