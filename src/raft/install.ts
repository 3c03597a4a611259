import { invariant } from "./assert.ts";
import { acknowledge, advanceFollowerCommit, noteLeaderCommit } from "./follower.ts";
import type { LogBase } from "./log-base.ts";
import type { InstallSnapshotRequest } from "./message.ts";
import { isHardStateDurable, type RaftState } from "./raft-state.ts";

//   leader                                follower
//     | -- InstallSnapshotRequest --------> | Ready.fetchSnapshot: the caller pulls the state from the leader
//     | -- again, once in a heartbeat ----> | ... the caller has all of it: beginInstall, the store turns over to it, installed
//     | <------- AppendEntriesResponse ---- | match = where the snapshot stands

/**
 * What became of the wish to install a snapshot. `outdated`: the log has as much already. `later`: ask again, because
 * something is being written or applied, or because the leader of this term is not known to have committed as much.
 */
export type InstallStart = "begun" | "later" | "outdated";

/** The leader's log begins after what this member lacks (Raft paper, section 7); late and repeated announcements are acknowledged. */
export function handleInstallSnapshotRequest(state: RaftState, request: InstallSnapshotRequest): void {
  if (state.installing !== null) return; // The leader announces it again.
  const { from, index, indexTerm: term, commitIndex } = request;
  noteLeaderCommit(state, commitIndex);
  // What the leader has compacted is committed; with the entry there, everything up to it is there.
  if (state.log.has({ index, term })) advanceFollowerCommit(state, index);
  if (index <= state.commitIndex) acknowledge(state, from, state.commitIndex);
  else state.snapshotToFetch = { from, index };
}

/**
 * Begins to replace log and state by a snapshot that stands at `base`, unless that is not needed or not the moment. Until
 * {@link installed} nothing is written, applied or taken into the log, and there is no campaign.
 */
export function beginInstall(state: RaftState, base: LogBase): InstallStart {
  invariant(state.installing === null, "one installation at a time");
  if (state.role === "leader" || base.index <= state.commitIndex) return "outdated";
  // Whoever gave the snapshot may have served a later leader since. The leader of this term may lack what that one committed.
  if (base.index > state.leaderCommitIndex) return "later";
  if (state.log.has(base)) {
    advanceFollowerCommit(state, base.index);
    return "outdated";
  }
  const writes = state.writingHardState !== null || state.log.dirty || !isHardStateDurable(state);
  if (state.role !== "follower" || writes || state.applyingIndex !== state.appliedIndex) return "later";
  state.installing = base;
  return "begun";
}

/** The snapshot is durable in place of log and state. No entry after it is kept: none can match, or it would not have been needed. */
export function installed(state: RaftState): void {
  const base = state.installing;
  invariant(base !== null, "an installation is under way");
  state.installing = null;
  state.log.resetTo(base);
  state.configurations.resetTo(base.configuration);
  state.commitIndex = base.index;
  state.appliedIndex = base.index;
  state.applyingIndex = base.index;
  // A leader of a term that began meanwhile has it too: it was committed before (Raft paper, section 5.4.3).
  if (state.leaderId !== null) acknowledge(state, state.leaderId, base.index);
}
