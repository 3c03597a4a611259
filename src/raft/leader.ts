import { invariant } from "./assert.ts";
import type { Configuration, MemberId } from "./configuration.ts";
import { type Entry, entriesSize, entrySize, type Index, withinBytes } from "./entry.ts";
import { broadcastHeartbeats, sendHeartbeat } from "./heartbeat.ts";
import { notePromise } from "./lease.ts";
import type { AppendEntriesRequest, AppendEntriesResponse, HeartbeatResponse } from "./message.ts";
import { Progress } from "./progress.ts";
import { hasQuorum, quorumIndex } from "./quorum.ts";
import { configurationOf, isSelfVoter, type RaftState, reachableMembers } from "./raft-state.ts";
import { confirmReads } from "./reads.ts";
import { becomeFollower } from "./step-down.ts";
import { tickTransfer } from "./transfer.ts";

/** Takes the lead: nothing is known of the followers' logs, and a no-op of the new term commits what came before. */
export function becomeLeader(state: RaftState): void {
  invariant(state.role === "candidate", "only a candidate becomes leader");
  state.role = "leader";
  state.leaderId = state.id;
  state.electionElapsedMs = 0;
  state.heartbeatElapsedMs = 0;
  state.lossCheckElapsedMs = 0;
  state.uncommittedBytes = 0;
  state.round = 0;
  state.rounds.clear();
  state.leaseVoid = false;
  state.votes.clear();
  state.progress.clear();
  matchProgressToConfiguration(state);
  state.leaderFirstIndex = state.log.lastIndex + 1;
  state.uncommittedFirstIndex = state.leaderFirstIndex;
  appendOwn(state, { kind: "noop", index: state.leaderFirstIndex, term: state.term, timeMs: 0 });
  broadcastHeartbeats(state);
}

/**
 * Gives every peer a progress, and takes it from the others. Peers are those of the configuration in force and, until it is
 * committed, those of the one before: who is being removed has to hear of it.
 */
export function matchProgressToConfiguration(state: RaftState): void {
  const peers = new Set(reachableMembers(state).map(({ id }) => id));
  peers.delete(state.id);
  for (const id of state.progress.keys()) if (!peers.has(id)) state.progress.delete(id);
  for (const id of peers) {
    if (!state.progress.has(id)) {
      state.progress.set(id, new Progress(state.log.lastIndex + 1, state.options.inflight, state.nowMs));
    }
  }
}

/** Appends commands; returns the index of the first, or `null` when too much is uncommitted or unapplied (nothing is appended). */
export function appendCommands(state: RaftState, commands: readonly Uint8Array[], timeMs: number): Index | null {
  const { uncommittedBytesMax, unappliedEntriesMax } = state.options;
  if (state.uncommittedBytes >= uncommittedBytesMax) return null;
  // A state machine that cannot follow would make everybody wait longer and longer.
  if (state.commitIndex - state.appliedIndex > unappliedEntriesMax) return null;
  const firstIndex = state.log.lastIndex + 1;
  for (const command of commands) {
    appendOwn(state, { kind: "command", index: state.log.lastIndex + 1, term: state.term, timeMs, command });
  }
  return firstIndex;
}

/** Appends an entry that changes nothing, behind another one of this term; returns its index. */
export function appendCheckpoint(state: RaftState): Index {
  const index = state.log.lastIndex + 1;
  appendOwn(state, { kind: "noop", index, term: state.term, timeMs: 0 });
  return index;
}

/** Appends a configuration, which is in force from now on; returns its index. */
export function appendConfiguration(state: RaftState, configuration: Configuration): Index {
  const index = state.log.lastIndex + 1;
  const entry: Entry = { kind: "configuration", index, term: state.term, timeMs: 0, configuration };
  appendOwn(state, entry);
  state.configurations.append([entry]);
  matchProgressToConfiguration(state);
  return index;
}

function appendOwn(state: RaftState, entry: Entry): void {
  state.log.append([entry]);
  state.uncommittedBytes += entrySize(entry);
}

/** Sends each follower what it lacks, as far as its window allows. */
export function replicate(state: RaftState): void {
  for (const [id, progress] of state.progress) replicateTo(state, id, progress);
}

/**
 * Tells each follower the commit index that it has not heard of. Appends tell it on the way; where none follow, it waits for
 * a tick: nobody waits for the news, because reads bring it along ({@link handleReadIndexResponse}).
 */
export function tellCommit(state: RaftState): void {
  for (const [id, progress] of state.progress) {
    if (Math.min(progress.matchIndex, state.commitIndex) > progress.sentCommitIndex) sendHeartbeat(state, id, progress);
  }
}

function replicateTo(state: RaftState, id: MemberId, progress: Progress): void {
  if (progress.nextIndex <= state.log.base.index) progress.becomeSnapshot(state.log.base.index);
  if (progress.state === "snapshot" && progress.canSend) announceSnapshot(state, id, progress);
  // A probe asks where the log ends and brings nothing along: what it brought would be sent again until it is written.
  if (progress.state === "probe" && progress.canSend) sendAppend(state, id, progress, []);
  while (progress.state === "replicate" && progress.canSend && progress.nextIndex <= state.log.lastIndex) {
    const entries = state.log.slice(progress.nextIndex, state.log.lastIndex, state.options.appendBytesMax);
    if (entries === undefined) {
      progress.readingLog = true;
      state.logReads.push({ peer: id, from: progress.nextIndex, to: state.log.tailFirstIndex - 1 });
      return;
    }
    sendAppend(state, id, progress, entries);
  }
}

/** Tells a follower to fetch a snapshot; told again at heartbeat intervals until it has one. */
function announceSnapshot(state: RaftState, to: MemberId, progress: Progress): void {
  const { id: from, term, commitIndex } = state;
  const { index, term: indexTerm } = state.log.base;
  state.messages.push({ type: "InstallSnapshotRequest", from, to, term, index, indexTerm, commitIndex });
  progress.probeSent = true;
}

/** Sends entries that were read from the store, unless they are no longer what the peer needs or the log holds. */
export function entriesRead(state: RaftState, peer: MemberId, entries: readonly Entry[]): void {
  const progress = state.progress.get(peer);
  if (progress === undefined) return;
  progress.readingLog = false;
  if (progress.state === "snapshot") return;
  if (entries.length === 0) {
    // Asked again at once they would be missing again: wait for the next look for losses.
    progress.becomeProbe();
    progress.probeSent = true;
    return;
  }
  const wanted = entries[0]?.index === progress.nextIndex && entries.every((entry) => state.log.has(entry));
  // A store limits what it reads by the encoded size, of which a configuration has less than it counts for here.
  if (wanted && progress.canSend) sendAppend(state, peer, progress, withinBytes(entries, state.options.appendBytesMax));
}

function sendAppend(state: RaftState, to: MemberId, progress: Progress, entries: readonly Entry[]): void {
  const prevLogIndex = progress.nextIndex - 1;
  const prevLogTerm = state.log.termAt(prevLogIndex);
  invariant(prevLogTerm !== undefined, () => `entry ${prevLogIndex} before the first to send is in the log`);
  const request: AppendEntriesRequest = {
    type: "AppendEntriesRequest",
    from: state.id,
    to,
    term: state.term,
    prevLogIndex,
    prevLogTerm,
    entries,
    commitIndex: state.commitIndex,
  };
  state.messages.push(request);
  const lastIndex = prevLogIndex + entries.length;
  progress.sentCommitIndex = Math.max(progress.sentCommitIndex, Math.min(state.commitIndex, lastIndex));
  if (entries.length > 0 || progress.state === "probe") progress.sent(lastIndex, entriesSize(entries));
}

/** A follower took entries, or could not place them (Raft paper, section 5.3). */
export function handleAppendEntriesResponse(state: RaftState, response: AppendEntriesResponse): void {
  const progress = noteContact(state, response.from);
  if (progress === undefined) return;
  if (!response.success) {
    const mayMatchIndex = state.log.lastIndexOfTermUpTo(response.hintIndex, response.hintTerm);
    progress.rejected(response.rejectedIndex, mayMatchIndex);
    return;
  }
  invariant(
    response.matchIndex <= state.log.lastIndex,
    () => `${response.from} has ${response.matchIndex}, beyond the leader's log`,
  );
  const grew = progress.matched(response.matchIndex);
  // A snapshot may stand anywhere from the base on, whatever was announced.
  if (progress.state !== "replicate" && response.matchIndex + 1 >= progress.nextIndex) progress.becomeReplicate();
  progress.followRounds(state.nowMs, state.log.lastIndex, state.options.electionTimeoutMs);
  if (grew) advanceCommit(state);
}

/** A follower heard the leader: it may confirm reads, and it may have missed entries. */
export function handleHeartbeatResponse(state: RaftState, response: HeartbeatResponse): void {
  const progress = noteContact(state, response.from);
  if (progress === undefined) return;
  progress.ackedRound = Math.max(progress.ackedRound, response.round);
  notePromise(state, progress, response);
  confirmReads(state);
  // Reads make heartbeats as frequent as round trips; entries are lost seldom, and take longer to be written.
  if (!progress.lossCheckDue) return;
  progress.lossCheckDue = false;
  progress.probeSent = false;
  // Entries may have been lost on the way. An empty message makes the follower tell where its log ends.
  const waiting = progress.state === "replicate" && progress.matchIndex < progress.nextIndex - 1;
  if (waiting && !progress.readingLog) sendAppend(state, response.from, progress, []);
}

/** What was sent to a peer lately may be lost: find out where its log ends before sending more. */
export function peerUnreachable(state: RaftState, peer: MemberId): void {
  const progress = state.progress.get(peer);
  if (progress?.state === "replicate") progress.becomeProbe();
}

function noteContact(state: RaftState, peer: MemberId): Progress | undefined {
  const progress = state.progress.get(peer);
  if (progress === undefined) return undefined;
  progress.recentlyActive = true;
  progress.lastContactMs = state.nowMs;
  return progress;
}

/**
 * Commits what a quorum has durably, but only up to an entry of the own term: older ones are committed through it, never
 * by counting (Raft paper, section 5.4.2).
 */
export function advanceCommit(state: RaftState): void {
  const matchIndex = (id: MemberId): Index =>
    id === state.id ? state.log.durableIndex : (state.progress.get(id)?.matchIndex ?? 0);
  const index = quorumIndex(configurationOf(state), matchIndex);
  if (index > state.commitIndex && state.log.termAt(index) === state.term) state.commitIndex = index;
  discountCommitted(state);
}

/** Frees the room that entries take until they are committed and durable here: they need not be in memory any more. */
function discountCommitted(state: RaftState): void {
  const last = Math.min(state.commitIndex, state.log.durableIndex);
  if (last < state.uncommittedFirstIndex) return;
  state.uncommittedBytes -= state.log.bytesOf(state.uncommittedFirstIndex, last);
  state.uncommittedFirstIndex = last + 1;
}

/** Sends heartbeats when they are due, and steps down when no quorum answered within an election timeout (thesis, section 6.2). */
export function tickLeader(state: RaftState, elapsedMs: number): void {
  state.heartbeatElapsedMs += elapsedMs;
  state.lossCheckElapsedMs += elapsedMs;
  state.electionElapsedMs += elapsedMs;
  tickTransfer(state, elapsedMs);
  if (state.electionElapsedMs >= state.options.electionTimeoutMs) {
    if (!heardFromQuorum(state)) {
      becomeFollower(state, state.term, null);
      return;
    }
    checkQuorumAnew(state);
  }
  const { heartbeatIntervalMs } = state.options;
  if (state.lossCheckElapsedMs >= heartbeatIntervalMs) {
    state.lossCheckElapsedMs = 0;
    for (const progress of state.progress.values()) progress.lossCheckDue = true;
  }
  if (state.heartbeatElapsedMs >= heartbeatIntervalMs) {
    broadcastHeartbeats(state);
  } else {
    tellCommit(state);
  }
}

/** From now on a quorum has to answer within an election timeout. */
export function checkQuorumAnew(state: RaftState): void {
  state.electionElapsedMs = 0;
  for (const progress of state.progress.values()) progress.recentlyActive = false;
}

function heardFromQuorum(state: RaftState): boolean {
  return hasQuorum(configurationOf(state), (id) =>
    id === state.id ? isSelfVoter(state) : state.progress.get(id)?.recentlyActive === true,
  );
}
