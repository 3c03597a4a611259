import type { ReadIndexRequest, ReadIndexResponse } from "./message.ts";
import { hasQuorum } from "./quorum.ts";
import { configurationOf, isHardStateDurable, type RaftState, send } from "./raft-state.ts";
import type { ReadOrigin } from "./read-index.ts";

/** Asks for a read index; the answer comes as a {@link ReadState} with the same context. */
export function requestRead(state: RaftState, context: number): void {
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
  state.forwardedReads.set(id, { context, waitedMs: 0 });
  send(state, { type: "ReadIndexRequest", from: state.id, to: leaderId, term: state.term, id });
}

/** A follower asks for a read index (thesis, section 6.4). */
export function handleReadIndexRequest(state: RaftState, request: ReadIndexRequest): void {
  const { from, id } = request;
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
}

/** Gives up reads that the leader has not answered within an election timeout; the caller may ask again, under a new id. */
export function tickReads(state: RaftState, elapsedMs: number): void {
  for (const [id, read] of state.forwardedReads) {
    read.waitedMs += elapsedMs;
    if (read.waitedMs < state.options.electionTimeoutMs) continue;
    state.forwardedReads.delete(id);
    state.readStates.push({ context: read.context, index: null });
  }
}

/** Releases the reads of every round that a quorum of the configuration in force has answered. */
export function confirmReads(state: RaftState): void {
  if (!state.reads.roundUnderWay) return;
  const round = confirmedRound(state);
  for (const { origin, index } of state.reads.confirm(round)) {
    if (origin.type === "local") {
      state.readStates.push({ context: origin.context, index });
    } else {
      const { from: to, id } = origin;
      send(state, { type: "ReadIndexResponse", from: state.id, to, term: state.term, id, index, refused: false });
    }
  }
}

function confirmedRound(state: RaftState): number {
  const rounds = [state.round, ...[...state.progress.values()].map((progress) => progress.ackedRound)];
  rounds.sort((a, b) => b - a);
  const answered = (round: number): boolean =>
    hasQuorum(configurationOf(state), (id) => id === state.id || (state.progress.get(id)?.ackedRound ?? 0) >= round);
  return rounds.find(answered) ?? 0;
}

function addRead(state: RaftState, origin: ReadOrigin): boolean {
  if (state.reads.size >= state.options.pendingReadsMax) return false;
  state.reads.add(origin);
  return true;
}
