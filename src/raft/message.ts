import type { MemberId } from "./configuration.ts";
import type { Entry, Index, Term } from "./entry.ts";

interface MessageHead {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
}

/** Asks for a vote, or with `preVote` whether one would be given (Raft paper, section 5.2; thesis, section 9.6). */
export interface RequestVoteRequest extends MessageHead {
  readonly type: "RequestVoteRequest";
  readonly lastLogIndex: Index;
  readonly lastLogTerm: Term;
  readonly preVote: boolean;
  /** The leader asked for this election: leader stickiness does not apply (thesis, section 3.10). */
  readonly leadershipTransfer: boolean;
}

/** Answers {@link RequestVoteRequest}. A granted pre-vote carries the term that was asked about. */
export interface RequestVoteResponse extends MessageHead {
  readonly type: "RequestVoteResponse";
  readonly granted: boolean;
  readonly preVote: boolean;
}

/** Entries for the log (Raft paper, section 5.3). */
export interface AppendEntriesRequest extends MessageHead {
  readonly type: "AppendEntriesRequest";
  readonly prevLogIndex: Index;
  readonly prevLogTerm: Term;
  /** Contiguous from `prevLogIndex + 1`. */
  readonly entries: readonly Entry[];
  readonly commitIndex: Index;
}

/** Answers {@link AppendEntriesRequest}; a success leaves only when the entries are durable. */
export interface AppendEntriesResponse extends MessageHead {
  readonly type: "AppendEntriesResponse";
  readonly success: boolean;
  /** On success: the last index known to match the leader's log and to be durable here. */
  readonly matchIndex: Index;
  /** On refusal: `prevLogIndex` of the request. */
  readonly rejectedIndex: Index;
  /** On refusal: the highest index at which the logs may match. */
  readonly hintIndex: Index;
  /** On refusal: the term of the entry at `hintIndex`. */
  readonly hintTerm: Term;
}

/** The leader lives. */
export interface HeartbeatRequest extends MessageHead {
  readonly type: "HeartbeatRequest";
  /** Commit index, no higher than what the receiver is known to have. */
  readonly commitIndex: Index;
  /** ReadIndex round, fresh for every attempt within the term. */
  readonly round: number;
}

/** Answers {@link HeartbeatRequest}. */
export interface HeartbeatResponse extends MessageHead {
  readonly type: "HeartbeatResponse";
  readonly round: number;
  /**
   * For so long after it heard the heartbeat, by its own clock, the sender grants no vote but for a transfer. Whole
   * milliseconds; 0 promises nothing.
   */
  readonly promisedMs: number;
}

/** A follower asks from which index it may serve linearizable reads (thesis, section 6.4). */
export interface ReadIndexRequest extends MessageHead {
  readonly type: "ReadIndexRequest";
  /** Fresh for every attempt, across restarts too. */
  readonly id: number;
}

/** Answers {@link ReadIndexRequest}. */
export interface ReadIndexResponse extends MessageHead {
  readonly type: "ReadIndexResponse";
  readonly id: number;
  readonly index: Index;
  /** The receiver does not lead, or cannot take more reads. */
  readonly refused: boolean;
}

/** The leader asks the receiver to campaign at once (thesis, section 3.10). */
export interface TimeoutNowRequest extends MessageHead {
  readonly type: "TimeoutNowRequest";
}

/**
 * The leader's log no longer has what the receiver lacks: it is to fetch a snapshot of the leader's state (Raft paper, section 7).
 * It carries no data. Answered by an {@link AppendEntriesResponse}.
 */
export interface InstallSnapshotRequest extends MessageHead {
  readonly type: "InstallSnapshotRequest";
  /** Index before the first entry of the leader's log; the snapshot has to stand there or later. */
  readonly index: Index;
  /** Term of the entry at `index`. */
  readonly indexTerm: Term;
  /** Leader's commit index: a snapshot beyond it may hold what this leader does not have. */
  readonly commitIndex: Index;
}

/** What members say to each other about consensus. */
export type Message =
  | RequestVoteRequest
  | RequestVoteResponse
  | AppendEntriesRequest
  | AppendEntriesResponse
  | HeartbeatRequest
  | HeartbeatResponse
  | ReadIndexRequest
  | ReadIndexResponse
  | TimeoutNowRequest
  | InstallSnapshotRequest;
