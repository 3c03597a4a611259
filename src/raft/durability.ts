import { invariant } from "./assert.ts";
import { ownVoteDurable } from "./election.ts";
import type { Index } from "./entry.ts";
import { advanceCommit } from "./leader.ts";
import { isHardStateDurable, type RaftState } from "./raft-state.ts";
import type { Write } from "./ready.ts";

/** Takes what is to be written next, with the messages that wait for it; `undefined` when nothing is, or a write is under way. */
export function takeWrite(state: RaftState): Write | undefined {
  if (state.writingHardState !== null || state.installing !== null) return undefined;
  if (isHardStateDurable(state) && !state.log.dirty) {
    // Nothing is waiting to be durable, so neither are the messages that waited for it.
    state.messages.push(...state.deferredMessages);
    state.deferredMessages = [];
    return undefined;
  }
  const hardState = { term: state.term, votedFor: state.votedFor, commitIndex: state.commitIndex };
  const messages = state.deferredMessages;
  state.deferredMessages = [];
  state.writingHardState = hardState;
  const { truncateFrom, entries } = state.log.takeWrite();
  return { hardState, truncateFrom, entries, messages };
}

/** The write under way is durable: what it covers may be counted. */
export function noteWritten(state: RaftState): void {
  invariant(state.writingHardState !== null, "a write is under way");
  state.durableHardState = state.writingHardState;
  state.writingHardState = null;
  state.log.written();
  ownVoteDurable(state);
  if (state.role === "leader") advanceCommit(state);
}

/** Takes the entries to apply next, committed and durable here; `undefined` when there are none, or some are being applied. */
export function takeApply(state: RaftState): { readonly first: Index; readonly last: Index } | undefined {
  if (state.installing !== null) return undefined;
  const last = Math.min(state.commitIndex, state.log.durableIndex);
  if (state.applyingIndex !== state.appliedIndex || last <= state.applyingIndex) return undefined;
  const first = state.applyingIndex + 1;
  state.applyingIndex = last;
  return { first, last };
}
