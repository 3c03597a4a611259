import { invariant } from "./assert.ts";
import type { MemberId } from "./configuration.ts";
import { handleRequestVoteRequest, handleRequestVoteResponse, handleTimeoutNowRequest } from "./election.ts";
import { handleAppendEntriesRequest, handleHeartbeatRequest } from "./follower.ts";
import { handleInstallSnapshotRequest } from "./install.ts";
import { handleAppendEntriesResponse, handleHeartbeatResponse } from "./leader.ts";
import type { Message } from "./message.ts";
import type { RaftState } from "./raft-state.ts";
import { handleReadIndexRequest, handleReadIndexResponse } from "./reads.ts";
import { becomeFollower } from "./step-down.ts";
import { answerLowerTerm, isPreVoteRequest, meetHigherTerm } from "./term-rules.ts";

/** Takes a message in: first its term, then what it says. */
export function step(state: RaftState, message: Message): void {
  invariant(message.to === state.id, () => `message for ${message.to} reached ${state.id}`);
  if (message.term > state.term && !meetHigherTerm(state, message)) return;
  if (message.term < state.term && !isPreVoteRequest(message)) {
    answerLowerTerm(state, message);
    return;
  }
  dispatch(state, message);
}

function dispatch(state: RaftState, message: Message): void {
  switch (message.type) {
    case "RequestVoteRequest":
      handleRequestVoteRequest(state, message);
      return;
    case "RequestVoteResponse":
      handleRequestVoteResponse(state, message);
      return;
    case "AppendEntriesRequest":
      hearLeader(state, message.from);
      handleAppendEntriesRequest(state, message);
      return;
    case "HeartbeatRequest":
      hearLeader(state, message.from);
      handleHeartbeatRequest(state, message);
      return;
    case "InstallSnapshotRequest":
      hearLeader(state, message.from);
      handleInstallSnapshotRequest(state, message);
      return;
    case "AppendEntriesResponse":
      if (state.role === "leader") handleAppendEntriesResponse(state, message);
      return;
    case "HeartbeatResponse":
      if (state.role === "leader") handleHeartbeatResponse(state, message);
      return;
    case "ReadIndexRequest":
      handleReadIndexRequest(state, message);
      return;
    case "ReadIndexResponse":
      handleReadIndexResponse(state, message);
      return;
    case "TimeoutNowRequest":
      handleTimeoutNowRequest(state, message);
      return;
  }
}

function hearLeader(state: RaftState, leaderId: MemberId): void {
  invariant(state.role !== "leader", () => `two leaders in term ${state.term}: ${state.id} and ${leaderId}`);
  if (state.role !== "follower" || state.leaderId !== leaderId) becomeFollower(state, state.term, leaderId);
  state.electionElapsedMs = 0;
  state.leaderSilenceMs = 0;
  state.leaderContactMs = state.nowMs;
}
