import type { MemberId } from "./configuration.ts";
import type { Index } from "./entry.ts";
import { advanceFollowerCommit } from "./follower.ts";
import { holdsLease } from "./lease.ts";
import type { ReadIndexRequest, ReadIndexResponse } from "./message.ts";
import { quorumIndex } from "./quorum.ts";
import { configurationOf, isHardStateDurable, type RaftState, send } from "./raft-state.ts";
import type { ReadOrigin } from "./read-index.ts";

/** Asks for a read index; the answer comes as a {@link ReadState} with the same context. `nowMs` is the clock as it is. */
export function requestRead(state: RaftState, context: number, nowMs: number): void {
  state.nowMs = Math.max(state.nowMs, nowMs);
  if (holdsLease(state, nowMs)) {
    state.readCounts.byLease++;
    state.readStates.push({ context, index: state.commitIndex, leased: true });
    return;
  }
  if (state.role === "leader") {
    if (!addRead(state, { type: "local", context })) state.readStates.push({ context, index: null });
    return;
  }
  // While the term is being written nothing could be asked; the caller asks anew, so that no questions pile up.
  const leaderId = isHardStateDurable(state) ? state.leaderId : null;
  if (leaderId === null || state.forwardedReads.size >= state.options.pendingReadsMax) {
    state.readStates.push({ context, index: null });
    return;
  }
  const id = state.nextReadId++;
  state.forwardedReads.set(id, { context, sinceMs: state.readClockMs });
  send(state, { type: "ReadIndexRequest", from: state.id, to: leaderId, term: state.term, id });
}

/** A follower asks for a read index (thesis, section 6.4). */
export function handleReadIndexRequest(state: RaftState, request: ReadIndexRequest): void {
  const { from, id } = request;
  // The question came before the clock was looked at, so the answer holds however long it travels.
  if (holdsLease(state, state.nowMs)) {
    state.readCounts.byLease++;
    answerRead(state, from, id, state.commitIndex);
    return;
  }
  if (state.role === "leader" && addRead(state, { type: "remote", from, id })) return;
  if (!isHardStateDurable(state)) return; // The asker gives up by itself.
  send(state, { type: "ReadIndexResponse", from: state.id, to: from, term: state.term, id, index: 0, refused: true });
}

/** The leader's answer to a read of this follower. Answers to reads given up change nothing. */
export function handleReadIndexResponse(state: RaftState, response: ReadIndexResponse): void {
  const read = state.forwardedReads.get(response.id);
  if (read === undefined) return;
  state.forwardedReads.delete(response.id);
  state.readStates.push({ context: read.context, index: response.refused ? null : response.index });
  // The index is committed; what this leader has shown to match need not wait for the next heartbeat to say so.
  if (!response.refused) advanceFollowerCommit(state, Math.min(response.index, state.matchedIndex));
}

/** Gives up reads that the leader has not answered within an election timeout; the caller may ask again, under a new id. */
export function tickReads(state: RaftState, elapsedMs: number): void {
  state.readClockMs += elapsedMs;
  const givenUpMs = state.readClockMs - state.options.electionTimeoutMs;
  // Oldest first, so that those that may wait on are not looked at.
  for (const [id, read] of state.forwardedReads) {
    if (read.sinceMs > givenUpMs) return;
    state.forwardedReads.delete(id);
    state.readStates.push({ context: read.context, index: null });
  }
}

/** Releases the reads of every round that a quorum of the configuration in force has answered. */
export function confirmReads(state: RaftState): void {
  if (!state.reads.roundUnderWay) return;
  const round = confirmedRound(state);
  for (const { origin, index } of state.reads.confirm(round)) {
    state.readCounts.byRound++;
    if (origin.type === "local") state.readStates.push({ context: origin.context, index });
    else answerRead(state, origin.from, origin.id, index);
  }
}

function answerRead(state: RaftState, to: MemberId, id: number, index: Index): void {
  send(state, { type: "ReadIndexResponse", from: state.id, to, term: state.term, id, index, refused: false });
}

/** Latest round that a quorum has answered; the leader has answered its own. */
function confirmedRound(state: RaftState): number {
  return quorumIndex(configurationOf(state), (id) =>
    id === state.id ? state.round : (state.progress.get(id)?.ackedRound ?? 0),
  );
}

function addRead(state: RaftState, origin: ReadOrigin): boolean {
  if (state.reads.size >= state.options.pendingReadsMax) return false;
  state.reads.add(origin);
  return true;
}
