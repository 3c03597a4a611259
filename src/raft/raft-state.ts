import { invariant } from "./assert.ts";
import { type Configuration, type ConfigurationMember, isMember, isVoter, type MemberId } from "./configuration.ts";
import { type ConfigurationAt, ConfigurationHistory } from "./configuration-history.ts";
import type { ConfigurationEntry, HardState, Index, Term } from "./entry.ts";
import type { LogBase } from "./log-base.ts";
import type { Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import { RaftLog, type RecoveredLog } from "./raft-log.ts";
import { type Random, randomId } from "./random.ts";
import { ReadIndexQueue } from "./read-index.ts";

/** Role of a member (Raft paper, section 5.1; pre-candidate: thesis, section 9.6). A learner stays a follower. */
export type Role = "follower" | "preCandidate" | "candidate" | "leader";

/** How a read ended: `index` to apply before serving it, or `null` when it was not confirmed and may be asked again. */
export interface ReadState {
  readonly context: number;
  readonly index: Index | null;
}

/** What a start knows from the store. */
export interface RecoveredMember {
  readonly hardState: HardState;
  readonly log: RecoveredLog;
  /** In force before the first of `configurationEntries`; its index is at most that of the log's base. */
  readonly baseConfiguration: ConfigurationAt;
  readonly configurationEntries: readonly ConfigurationEntry[];
  /** Last index whose effects are in the state. */
  readonly appliedIndex: Index;
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
  /** Chosen anew for every wait, between one and two election timeouts. */
  randomizedElectionTimeoutMs: number;
  heartbeatElapsedMs: number;
  /** Core time when a leader was last heard from; `null` before that. */
  leaderContactMs: number | null;

  /** Answers to the election under way. */
  votes: Map<MemberId, boolean>;
  /** Leader only. */
  progress: Map<MemberId, Progress>;
  /** Leader only: index of the no-op of its term. */
  leaderFirstIndex: Index;
  /** Leader only: bytes of entries of its term that are not committed; 0 when there are none. */
  uncommittedBytes: number;
  /** Leader only: leadership on its way to another member. */
  transfer: Transfer | null;

  /** Leader only: number of the last heartbeat round. */
  round: number;
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
}

/** A follower as the store left it. */
export function recoverState(
  id: MemberId,
  recovered: RecoveredMember,
  options: RaftOptions,
  random: Random,
): RaftState {
  const { hardState, appliedIndex } = recovered;
  const log = new RaftLog(recovered.log);
  const commitIndex = Math.max(hardState.commitIndex, appliedIndex, log.base.index);
  // A commit index is written with or after the entries that it covers, and so is the state.
  invariant(
    commitIndex <= log.lastIndex,
    `${commitIndex} entries are committed or applied, but the durable log ends at ${log.lastIndex}: entries were lost`,
  );
  const { baseConfiguration } = recovered;
  invariant(
    appliedIndex >= log.base.index,
    `the log begins after ${log.base.index}, the state ends at ${appliedIndex}`,
  );
  invariant(baseConfiguration.index <= log.base.index, "the base configuration is in force at the log's base");
  return {
    id,
    options,
    random,
    log,
    configurations: new ConfigurationHistory(baseConfiguration, recovered.configurationEntries),
    nowMs: 0,
    role: "follower",
    term: hardState.term,
    votedFor: hardState.votedFor,
    leaderId: null,
    commitIndex,
    appliedIndex,
    matchedIndex: 0,
    leaderCommitIndex: 0,
    snapshotToFetch: null,
    installing: null,
    applyingIndex: appliedIndex,
    electionElapsedMs: 0,
    randomizedElectionTimeoutMs: randomElectionTimeout(options, random),
    heartbeatElapsedMs: 0,
    leaderContactMs: null,
    votes: new Map(),
    progress: new Map(),
    leaderFirstIndex: 0,
    uncommittedBytes: 0,
    transfer: null,
    round: 0,
    reads: new ReadIndexQueue(),
    forwardedReads: new Map(),
    readClockMs: 0,
    nextReadId: randomId(random),
    readStates: [],
    logReads: [],
    messages: [],
    deferredMessages: [],
    durableHardState: hardState,
    writingHardState: null,
    elections: { preVotesStarted: 0, votesStarted: 0, won: 0 },
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
  invariant(term > state.term, `term ${term} follows term ${state.term}`);
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

function randomElectionTimeout(options: RaftOptions, random: Random): number {
  return options.electionTimeoutMs * (1 + random());
}
