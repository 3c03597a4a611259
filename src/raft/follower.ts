import { EntriesLostError, invariant } from "./assert.ts";
import type { MemberId } from "./configuration.ts";
import type { Index } from "./entry.ts";
import { leasePromiseMs } from "./lease.ts";
import type { AppendEntriesRequest, HeartbeatRequest } from "./message.ts";
import { type RaftState, send, sendWhenDurable } from "./raft-state.ts";

/** Takes entries of the leader into the log, or tells where the logs may match (Raft paper, section 5.3). */
export function handleAppendEntriesRequest(state: RaftState, message: AppendEntriesRequest): void {
  if (state.installing !== null) return; // The leader asks again.
  noteLeaderCommit(state, message.commitIndex);
  const request = afterBase(state, message);
  const { prevLogIndex, prevLogTerm, entries } = request;
  if (prevLogIndex < state.commitIndex && prevLogIndex + entries.length <= state.commitIndex) {
    // All of it is committed here already: a late or repeated message.
    acknowledge(state, request.from, state.commitIndex);
    return;
  }
  if (!state.log.has({ index: prevLogIndex, term: prevLogTerm })) {
    refuse(state, request);
    return;
  }
  appendNew(state, request);
  const lastNew = prevLogIndex + entries.length;
  state.matchedIndex = Math.max(state.matchedIndex, lastNew);
  // Only what this message covers is known to match: the log may be longer, with entries of another leader.
  advanceFollowerCommit(state, Math.min(request.commitIndex, lastNew));
  acknowledge(state, request.from, lastNew);
}

/** The request without what lies before the base: that is committed, and was compacted here. */
function afterBase(state: RaftState, request: AppendEntriesRequest): AppendEntriesRequest {
  const { base } = state.log;
  const { entries } = request;
  const known = base.index - request.prevLogIndex;
  if (known <= 0 || known > entries.length) return request;
  const last = entries[known - 1];
  invariant(last?.term === base.term, () => `entry ${base.index} is committed with another term than ${last?.term}`);
  return { ...request, prevLogIndex: base.index, prevLogTerm: base.term, entries: entries.slice(known) };
}

/** Skips the entries that are there already, and truncates only at a real conflict: messages may be late or repeated. */
function appendNew(state: RaftState, request: AppendEntriesRequest): void {
  const firstNew = request.entries.findIndex((entry) => !state.log.has(entry));
  if (firstNew < 0) return;
  const entries = request.entries.slice(firstNew);
  const firstIndex = request.prevLogIndex + firstNew + 1;
  if (firstIndex <= state.log.lastIndex) {
    invariant(
      firstIndex > state.commitIndex,
      () => `entry ${firstIndex} conflicts with the committed log (${state.commitIndex})`,
    );
    state.log.truncateFrom(firstIndex);
    state.configurations.truncateFrom(firstIndex);
  }
  state.log.append(entries);
  state.configurations.append(entries);
}

/** Tells the leader that the log matches up to `matchIndex`, as soon as that is durable. */
export function acknowledge(state: RaftState, leaderId: MemberId, matchIndex: Index): void {
  const response = {
    type: "AppendEntriesResponse",
    from: state.id,
    to: leaderId,
    term: state.term,
    success: true,
    matchIndex,
    rejectedIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
  } as const;
  if (matchIndex <= state.log.durableIndex) send(state, response);
  else sendWhenDurable(state, response);
}

function refuse(state: RaftState, request: AppendEntriesRequest): void {
  const hintIndex = state.log.lastIndexOfTermUpTo(request.prevLogIndex, request.prevLogTerm);
  send(state, {
    type: "AppendEntriesResponse",
    from: state.id,
    to: request.from,
    term: state.term,
    success: false,
    matchIndex: 0,
    rejectedIndex: request.prevLogIndex,
    hintIndex,
    hintTerm: state.log.termAt(hintIndex) ?? 0,
  });
}

/** The leader lives, and has committed this much of what this member has. */
export function handleHeartbeatRequest(state: RaftState, request: HeartbeatRequest): void {
  if (request.commitIndex > state.log.lastIndex) {
    throw new EntriesLostError(
      `leader believes that ${request.commitIndex} is in this log, which ends at ${state.log.lastIndex}: entries were lost here`,
    );
  }
  advanceFollowerCommit(state, request.commitIndex);
  const { id: from, term } = state;
  const promisedMs = leasePromiseMs(state);
  send(state, { type: "HeartbeatResponse", from, to: request.from, term, round: request.round, promisedMs });
}

/** Takes note of the leader's commit index, which may be beyond what this log has. */
export function noteLeaderCommit(state: RaftState, commitIndex: Index): void {
  state.leaderCommitIndex = Math.max(state.leaderCommitIndex, commitIndex);
}

/** Takes note that the leader has committed up to `commitIndex`, all of which is known to match here. */
export function advanceFollowerCommit(state: RaftState, commitIndex: Index): void {
  state.commitIndex = Math.max(state.commitIndex, commitIndex);
}
