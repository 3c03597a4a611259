import { allVoters } from "./configuration.ts";
import { campaign } from "./election.ts";
import { handOver } from "./hand-over.ts";
import { checkQuorumAnew, tickLeader } from "./leader.ts";
import { forgetPromises, standstillMs } from "./lease.ts";
import { configurationOf, type RaftState } from "./raft-state.ts";
import { tickReads } from "./reads.ts";

/** Time has passed; see {@link RaftNode.tick}. */
export function tick(state: RaftState, nowMs: number, writeAgeMs: number): void {
  const { options, leaderContactMs } = state;
  const lastTickMs = state.lastTickMs ?? nowMs;
  const gapMs = Math.max(0, nowMs - lastTickMs);
  const elapsedMs = Math.min(gapMs, standstillMs(options));
  // A heartbeat heard since the last tick begins the silence anew, at its own time.
  const silentMs = Math.min(elapsedMs, Math.max(0, nowMs - (leaderContactMs ?? lastTickMs)));
  state.lastTickMs = nowMs;
  state.nowMs = nowMs;
  state.leaderSilenceMs += silentMs;
  state.diskStalled = writeAgeMs >= options.electionTimeoutMs;
  tickReads(state, elapsedMs);
  if (state.role === "leader") {
    if (gapMs > standstillMs(options)) wakeLeader(state, gapMs);
    if (state.diskStalled && isBetterLedByOthers(state, writeAgeMs)) handOver(state);
    else tickLeader(state, elapsedMs);
    return;
  }
  state.electionElapsedMs += silentMs;
  if (state.electionElapsedMs >= state.randomizedElectionTimeoutMs) campaign(state);
}

/**
 * The leader's process stood still. What it was promised before may be over, whatever its clock says; and when others had
 * the time to elect somebody, it is to hear from a quorum from now on, not from before.
 */
function wakeLeader(state: RaftState, gapMs: number): void {
  forgetPromises(state);
  if (gapMs >= state.options.electionTimeoutMs) checkQuorumAnew(state);
}

/**
 * Whether another voter has stored what the disk of this one has not. While none has, either there is nothing to store, or all of them
 * wait for one disk, and a leader the more would not make it faster. A disk that will never write again (an infinite age) is
 * given up in any case.
 */
function isBetterLedByOthers(state: RaftState, writeAgeMs: number): boolean {
  return allVoters(configurationOf(state)).some((id) => {
    if (id === state.id) return false;
    return !Number.isFinite(writeAgeMs) || (state.progress.get(id)?.matchIndex ?? 0) > state.log.durableIndex;
  });
}
