import { invariant } from "./assert.ts";
import { type Configuration, type ConfigurationMember, isMember, isVoter, type MemberId } from "./configuration.ts";
import type { ConfigurationHistory } from "./configuration-history.ts";
import type { HardState, Index, Term } from "./entry.ts";
import type { LogBase } from "./log-base.ts";
import type { Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import type { RaftLog } from "./raft-log.ts";
import type { Random } from "./random.ts";
import type { ReadIndexQueue } from "./read-index.ts";
import type { RoundTimes } from "./round-times.ts";

/** Role of a member (Raft paper, section 5.1; pre-candidate: thesis, section 9.6). A learner stays a follower. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** How a read ended: `index` to apply before serving it, or `null` when it was not confirmed and may be asked again. */
export interface ReadState {
  readonly context: number;
  readonly index: Index | null;
  /** The leader's lease stands for it, and no round of messages. Default false. */
  readonly leased?: boolean;
}

/** A follower's read that waits for the leader's answer. */
export interface ForwardedRead {
  readonly context: number;
  /** When it was asked, by {@link RaftState.readClockMs}; given up an election timeout later. */
  readonly sinceMs: number;
}

/** Entries that a follower needs and that are in the store only. */
export interface LogRead {
  readonly peer: MemberId;
  readonly from: Index;
  /** Included; as many as the caller's limit allows may be read. */
  readonly to: Index;
}

/** A snapshot that this member needs. */
export interface SnapshotToFetch {
  /** The leader, who has one. */
  readonly from: MemberId;
  /** Where it has to stand at least. */
  readonly index: Index;
}

/** Leadership on its way to another member; proposals wait meanwhile (thesis, section 3.10). */
export interface Transfer {
  readonly target: MemberId;
  /** Counts towards the election timeout, after which the transfer is given up. */
  elapsedMs: number;
  /** Whether the target was asked to campaign. */
  asked: boolean;
}

/** Counts elections by how they ended, for metrics. */
export interface ElectionCounts {
  preVotesStarted: number;
  votesStarted: number;
  won: number;
}

/** Counts the reads that a leader confirmed, its own and its followers', by what confirmed them, for metrics. */
export interface ReadCounts {
  byRound: number;
  byLease: number;
}

/**
 * Everything the core knows; the rooms of src/raft work on it, {@link RaftNode} is its only door.
 *
 * Invariants: log.base.index <= appliedIndex <= commitIndex <= log.lastIndex; term never decreases; votedFor belongs to term; progress is
 * empty unless role is leader.
 */
export interface RaftState {
  readonly id: MemberId;
  readonly options: RaftOptions;
  readonly random: Random;
  readonly log: RaftLog;
  readonly configurations: ConfigurationHistory;

  /** Core time: what the last tick or message said, milliseconds of a monotonic clock. */
  nowMs: number;
  /** `null` before the first. */
  lastTickMs: number | null;
  /** A disk write has been under way for an election timeout: this member must neither lead nor try to. */
  diskStalled: boolean;
  role: Role;
  term: Term;
  votedFor: MemberId | null;
  leaderId: MemberId | null;
  commitIndex: Index;
  appliedIndex: Index;
  /** Last index at which this log is known to match that of the leader of this term; 0 while none is. */
  matchedIndex: Index;
  /** Highest commit index that the leader of this term has told; 0 while none has. */
  leaderCommitIndex: Index;
  /** To be told to the caller; `null` when no announcement came since the last turn. */
  snapshotToFetch: SnapshotToFetch | null;
  /** Where the snapshot stands that is taking the place of log and state; `null` when none is. */
  installing: LogBase | null;
  /** Last index handed out to be applied. */
  applyingIndex: Index;

  /** Since the leader was last heard, or since the last quorum check of a leader; grows by ticks only. */
  electionElapsedMs: number;
  /**
   * Since a leader of whatever term was last heard; grows by ticks only. A start counts as one, unless no term was ever
   * entered: who was heard before it is forgotten.
   */
  leaderSilenceMs: number;
  /** Chosen anew for every wait, between one and two election timeouts. */
  randomizedElectionTimeoutMs: number;
  /** Since the last heartbeats of a leader, those of reads among them. */
  heartbeatElapsedMs: number;
  /** Since a leader last had losses looked for; reads must not put it off. */
  lossCheckElapsedMs: number;
  /** Core time when a leader was last heard from; `null` before that. */
  leaderContactMs: number | null;

  /** Answers to the election under way. */
  votes: Map<MemberId, boolean>;
  /** Leader only. */
  progress: Map<MemberId, Progress>;
  /** Leader only: index of the no-op of its term. */
  leaderFirstIndex: Index;
  /** Leader only: bytes of entries of its term that are not committed, or not durable here; 0 when there are none. */
  uncommittedBytes: number;
  /** Leader only: the first entry that `uncommittedBytes` counts. */
  uncommittedFirstIndex: Index;
  /** Leader only: leadership on its way to another member. */
  transfer: Transfer | null;

  /** Leader only: number of the last heartbeat round. */
  round: number;
  /** Leader only: what promises count from. */
  readonly rounds: RoundTimes;
  /**
   * Leader only: somebody was asked to campaign at once, which no promise holds up, and the request may arrive at any time
   * later in this term.
   */
  leaseVoid: boolean;
  readonly reads: ReadIndexQueue;
  /** Follower only: reads by the id under which the leader was asked, oldest first. */
  readonly forwardedReads: Map<number, ForwardedRead>;
  /** Clock of the forwarded reads, milliseconds; grows by ticks only. */
  readClockMs: number;
  nextReadId: number;
  readStates: ReadState[];
  logReads: LogRead[];

  /** Leave at once. */
  messages: Message[];
  /** Leave when everything that the core knows at present is durable. */
  deferredMessages: Message[];
  /** What the store is known to have. */
  durableHardState: HardState;
  /** Hard state of the write under way; `null` when none is. */
  writingHardState: HardState | null;
  readonly elections: ElectionCounts;
  readonly readCounts: ReadCounts;
}

/**
 * A picture of the state in plain values, without options and chance. Members with equal pictures, options and chance answer
 * equal events equally: so a search through states knows where it has been, and a report can say how things stood.
 */
export function pictureOf({
  options: _options,
  random: _random,
  votes,
  progress,
  forwardedReads,
  ...rest
}: RaftState): object {
  return {
    ...rest,
    votes: Object.fromEntries(votes),
    progress: Object.fromEntries(progress),
    forwardedReads: Object.fromEntries(forwardedReads),
  };
}

/** The configuration in force. */
export function configurationOf(state: RaftState): Configuration {
  return state.configurations.current.configuration;
}

/** The members in force and, until that configuration is committed, those of the one before; each once, the newer first. */
export function reachableMembers(state: RaftState): readonly ConfigurationMember[] {
  const { index, configuration } = state.configurations.current;
  if (index <= state.commitIndex) return configuration.members;
  const before = state.configurations.at(index - 1).configuration.members;
  return [...configuration.members, ...before.filter(({ id }) => !isMember(configuration, id))];
}

/** Whether this member has a vote. */
export function isSelfVoter(state: RaftState): boolean {
  return isVoter(configurationOf(state), state.id);
}

/** Enters a later term. What waits to be told in earlier ones is stale, and would pile up behind a disk that stands still. */
export function enterTerm(state: RaftState, term: Term, votedFor: MemberId | null): void {
  invariant(term > state.term, () => `term ${term} follows term ${state.term}`);
  state.term = term;
  state.votedFor = votedFor;
  state.matchedIndex = 0;
  state.leaderCommitIndex = 0;
  state.deferredMessages = state.deferredMessages.filter((message) => message.term >= term);
}

/** Starts a new wait, of another random length (Raft paper, section 5.2). */
export function resetElectionTimer(state: RaftState): void {
  state.electionElapsedMs = 0;
  state.randomizedElectionTimeoutMs = randomElectionTimeout(state.options, state.random);
}

/** Whether term and vote are durable as they are. */
export function isHardStateDurable(state: RaftState): boolean {
  return state.durableHardState.term === state.term && state.durableHardState.votedFor === state.votedFor;
}

/**
 * Sends what acknowledges nothing but the term: at once when the term is durable, else with the next write, so that no
 * member ever hears of a term that this one could forget.
 */
export function send(state: RaftState, message: Message): void {
  if (isHardStateDurable(state)) state.messages.push(message);
  else sendWhenDurable(state, message);
}

/** Sends what acknowledges something (a vote, entries): only when all that is known now is durable. */
export function sendWhenDurable(state: RaftState, message: Message): void {
  const outdated = state.deferredMessages.findIndex((waiting) => saysAllOf(message, waiting));
  if (outdated < 0) state.deferredMessages.push(message);
  else state.deferredMessages[outdated] = message;
}

/** Whether `waiting` need not be sent when `message` is; a leader would pile its answers up at a disk that stands still. */
function saysAllOf(message: Message, waiting: Message): boolean {
  if (message.to !== waiting.to || message.term !== waiting.term) return false;
  if (message.type === "HeartbeatResponse" && waiting.type === "HeartbeatResponse") {
    return message.round >= waiting.round;
  }
  if (message.type === "RequestVoteRequest" && waiting.type === "RequestVoteRequest") {
    return message.preVote === waiting.preVote;
  }
  if (message.type === "RequestVoteResponse" && waiting.type === "RequestVoteResponse") {
    return message.preVote === waiting.preVote && message.granted === waiting.granted;
  }
  if (message.type !== "AppendEntriesResponse" || waiting.type !== "AppendEntriesResponse") return false;
  // Of refusals the last one counts: it speaks of the newest probe and of the log as it is.
  return message.success === waiting.success && message.matchIndex >= waiting.matchIndex;
}

/** How long a wait takes before a campaign, at random between one and two election timeouts. */
export function randomElectionTimeout(options: RaftOptions, random: Random): number {
  return options.electionTimeoutMs * (1 + random());
}
