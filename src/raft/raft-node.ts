import { invariant } from "./assert.ts";
import { compact, logBaseAt } from "./compaction.ts";
import { type Configuration, type ConfigurationMember, isVoter, type MemberId } from "./configuration.ts";
import type { MembershipTarget } from "./configuration-change.ts";
import type { ConfigurationAt } from "./configuration-history.ts";
import { noteWritten, takeApply, takeWrite } from "./durability.ts";
import { campaign } from "./election.ts";
import type { Entry, Index, Term } from "./entry.ts";
import { beginInstall, type InstallStart, installed } from "./install.ts";
import { appendCheckpoint, appendCommands, entriesRead, peerUnreachable } from "./leader.ts";
import { takeLeaderTurn } from "./leader-turn.ts";
import { holdsLease } from "./lease.ts";
import type { LogBase } from "./log-base.ts";
import { type ChangeRefusal, changeMembership } from "./membership.ts";
import type { Message } from "./message.ts";
import type { RaftOptions } from "./options.ts";
import type { Progress } from "./progress.ts";
import {
  configurationOf,
  type ElectionCounts,
  type LogRead,
  pictureOf,
  type RaftState,
  type ReadCounts,
  type ReadState,
  type Role,
  reachableMembers,
} from "./raft-state.ts";
import type { Random } from "./random.ts";
import { requestRead } from "./reads.ts";
import type { ProposeResult, Ready } from "./ready.ts";
import { type RecoveredMember, recoverState } from "./recover-state.ts";
import { step } from "./step.ts";
import { tick } from "./tick.ts";
import { type TransferRefusal, transferLeadership } from "./transfer.ts";

//            tick, step, propose, readIndex                    written, applied, entriesRead
//                        |                                                |
//                        v                                                v
//   +--------------------------------- RaftNode ----------------------------------------+
//   |  election.ts   leader.ts   follower.ts   reads.ts   over one RaftState             |
//   +-------------------------------------------------------------------------------------+
//                        |
//                        v
//   Ready: messages to send now | one write, and messages to send after it | entries to apply | reads to serve

/**
 * The Raft core of one member: events in, effects out. It holds no clock, no timer, no promise and no I/O; equal events
 * from an equal start give equal effects. The caller must answer the effects in order and stop for good when a write fails.
 */
export class RaftNode {
  readonly #state: RaftState;

  constructor(id: MemberId, recovered: RecoveredMember, options: RaftOptions, random: Random) {
    this.#state = recoverState(id, recovered, options, random);
  }

  get id(): MemberId {
    return this.#state.id;
  }
  get role(): Role {
    return this.#state.role;
  }
  get term(): Term {
    return this.#state.term;
  }
  get votedFor(): MemberId | null {
    return this.#state.votedFor;
  }
  /** Leader of the term, as far as known. */
  get leaderId(): MemberId | null {
    return this.#state.leaderId;
  }
  get commitIndex(): Index {
    return this.#state.commitIndex;
  }
  get appliedIndex(): Index {
    return this.#state.appliedIndex;
  }
  get firstIndex(): Index {
    return this.#state.log.firstIndex;
  }
  get lastIndex(): Index {
    return this.#state.log.lastIndex;
  }
  /** Last index known to be durable here. */
  get durableIndex(): Index {
    return this.#state.log.durableIndex;
  }
  /** Whether the leader has committed an entry of its own term, and so knows what is committed. */
  get hasCommittedInTerm(): boolean {
    return this.#state.role === "leader" && this.#state.commitIndex >= this.#state.leaderFirstIndex;
  }
  /** Bytes of own proposals that are not committed, or not durable here. */
  get uncommittedBytes(): number {
    return this.#state.uncommittedBytes;
  }
  /** Core time when a leader was last heard from; `null` when none was. */
  get leaderContactMs(): number | null {
    return this.#state.leaderContactMs;
  }
  get configuration(): Configuration {
    return configurationOf(this.#state);
  }
  get configurationAt(): ConfigurationAt {
    return this.#state.configurations.current;
  }
  /** The newest configuration that is committed: no later one can take its index. */
  get committedConfigurationAt(): ConfigurationAt {
    return this.#state.configurations.at(this.commitIndex);
  }
  /** The leader's view of its peers; empty elsewhere. */
  get progress(): ReadonlyMap<MemberId, Progress> {
    return this.#state.progress;
  }
  /**
   * Who belongs to the cluster: the members in force and, until that is committed, those of the configuration before, who may
   * have to be told, or may be right in the end.
   */
  get reachableMembers(): readonly ConfigurationMember[] {
    return reachableMembers(this.#state);
  }
  /** Whether leadership is on its way to another member. */
  get transferring(): boolean {
    return this.#state.transfer !== null;
  }
  get elections(): Readonly<ElectionCounts> {
    return this.#state.elections;
  }
  get readCounts(): Readonly<ReadCounts> {
    return this.#state.readCounts;
  }
  /** Term of an entry; `undefined` outside the log. */
  termAt(index: Index): Term | undefined {
    return this.#state.log.termAt(index);
  }

  /**
   * Time has passed. `nowMs` is a monotonic clock's. A gap much longer than a heartbeat means that this process did not
   * run: it counts as two heartbeat intervals at most, because what arrived meanwhile has not been looked at yet.
   * `writeAgeMs`: how long the disk write under way has taken so far; default 0, none is. From an election timeout on this
   * member does not campaign, nor leads once another voter has stored what it has not; with an infinite one never, if there are
   * other voters.
   */
  tick(nowMs: number, writeAgeMs = 0): void {
    tick(this.#state, nowMs, writeAgeMs);
  }

  /** A message arrived. It must be from a member and for this one; the transport sees to that. */
  step(message: Message, nowMs: number): void {
    this.#state.nowMs = Math.max(this.#state.nowMs, nowMs);
    step(this.#state, message);
  }

  /** Appends commands in order, all or none. `timeMs` is the leader's wall clock. */
  propose(commands: readonly Uint8Array[], timeMs: number): ProposeResult {
    const state = this.#state;
    if (state.role !== "leader") return { type: "refused", reason: "NOT_LEADER" };
    if (state.transfer !== null) return { type: "refused", reason: "TRANSFER_IN_PROGRESS" };
    const firstIndex = appendCommands(state, commands, timeMs);
    if (firstIndex === null) return { type: "refused", reason: "OVERLOADED" };
    return { type: "appended", firstIndex, term: state.term };
  }

  /** Appends a checkpoint; returns its index, or `null` where this member does not lead or is about to hand over. */
  proposeCheckpoint(): Index | null {
    return this.#state.role === "leader" && this.#state.transfer === null ? appendCheckpoint(this.#state) : null;
  }

  /** Whether the entry at `index`, a no-op, is a checkpoint and not the first of its term. It must be in the log, with the one before or the base. */
  isCheckpoint(index: Index): boolean {
    return this.#state.log.termAt(index - 1) === this.#state.log.termAt(index);
  }

  /**
   * Begins a change of membership towards `target`; the core ends it by itself, under whichever leader. Returns the index of
   * its first entry, or why it was refused. With `expectedIndex`, only if that is still the configuration's index.
   */
  changeMembership(target: MembershipTarget, expectedIndex: Index | null = null): Index | ChangeRefusal {
    return changeMembership(this.#state, target, expectedIndex);
  }

  /** Hands leadership to `target`, or to the voter that is furthest along; returns whom, or why not. Given up after an election timeout. */
  transferLeadership(target: MemberId | null): { readonly target: MemberId } | TransferRefusal {
    return transferLeadership(this.#state, target);
  }

  /**
   * Asks from which index a linearizable read may be served; the answer is a {@link ReadState} of a later {@link Ready}.
   * `nowMs` is the monotonic clock as it is, read after the read came in.
   */
  readIndex(context: number, nowMs: number): void {
    requestRead(this.#state, context, nowMs);
  }

  /** Whether this member leads under a lease at `nowMs`, the monotonic clock as it is; false where leases are off. */
  holdsLease(nowMs: number): boolean {
    return holdsLease(this.#state, nowMs);
  }

  /** What was sent to `peer` lately may be lost. */
  unreachable(peer: MemberId): void {
    peerUnreachable(this.#state, peer);
  }

  /** Campaigns at once, as if the election timeout had passed. */
  campaign(): void {
    if (this.#state.role !== "leader") campaign(this.#state);
  }

  /** Takes what is to be done now; without a write while the caller `canWrite` not. Default true. */
  ready(canWrite = true): Ready {
    const state = this.#state;
    if (state.role === "leader") takeLeaderTurn(state);
    const write = canWrite ? takeWrite(state) : undefined;
    const apply = takeApply(state);
    state.log.releaseTail(state.commitIndex, state.options.tailBytesMax);
    const { messages, readStates: reads, logReads } = state;
    const fetchSnapshot = state.snapshotToFetch ?? undefined;
    state.messages = [];
    state.snapshotToFetch = null;
    state.readStates = [];
    state.logReads = [];
    return { messages, write, apply, reads, logReads, fetchSnapshot };
  }

  /** The write of the last {@link Ready} that had one is durable. Its messages may leave. */
  written(): void {
    noteWritten(this.#state);
  }

  /** Entries in memory, as {@link Ready.apply} and {@link LogRead} ask for; `undefined` when they must be read from the store. */
  entries(first: Index, last: Index, bytesMax: number): readonly Entry[] | undefined {
    return this.#state.log.slice(first, last, bytesMax);
  }

  /** Everything that the last {@link Ready.apply} asked for is applied. */
  applied(index: Index): void {
    const state = this.#state;
    invariant(index === state.applyingIndex, () => `applied ${index}, asked for ${state.applyingIndex}`);
    state.appliedIndex = index;
  }

  /** Entries that a {@link LogRead} asked for, from `from` on; none when they could not be had any more. */
  entriesRead(peer: MemberId, entries: readonly Entry[]): void {
    if (this.#state.role === "leader") entriesRead(this.#state, peer, entries);
  }

  /** Where a snapshot at `index` stands, from the log's base up to the commit index. */
  logBaseAt(index: Index): LogBase {
    return logBaseAt(this.#state, index);
  }

  /**
   * Forgets the entries up to `index`, which must be applied; returns the log's new base, to be made durable next. Followers
   * that lack a forgotten entry are told to fetch a snapshot. Not during an installation. A member that joined and has not met
   * a configuration up to `index` forgets nothing, and returns the base of before.
   */
  compact(index: Index): LogBase {
    return compact(this.#state, index);
  }

  /**
   * A snapshot at `base` is there, complete and durable beside log and state. With `begun` the caller makes it log and state,
   * in one durable step, and tells {@link RaftNode.installed}; until then the core asks for no write and nothing to apply.
   */
  beginInstall(base: LogBase): InstallStart {
    return beginInstall(this.#state, base);
  }

  /** The snapshot of {@link RaftNode.beginInstall} is log and state now, durably. */
  installed(): void {
    installed(this.#state);
  }

  /** Whether this member has a vote in the configuration in force. */
  get isVoter(): boolean {
    return isVoter(this.configuration, this.#state.id);
  }

  /** Everything that this member knows, in plain values: what `JSON.stringify` shows of it. See {@link pictureOf}. */
  toJSON(): object {
    return pictureOf(this.#state);
  }
}
