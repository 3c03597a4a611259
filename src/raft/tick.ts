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
    if (state.diskStalled && hasOtherVoters(state)) handOver(state);
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

function hasOtherVoters(state: RaftState): boolean {
  return allVoters(configurationOf(state)).some((id) => id !== state.id);
}
