import type { MemberId } from "../../src/raft/configuration.ts";
import type { Entry, Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { Message } from "../../src/raft/message.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import type { ReadState } from "../../src/raft/raft-state.ts";
import type { Write } from "../../src/raft/ready.ts";
import { ConfigurationChecks, isQuorum } from "./configuration-checks.ts";
import type { CoreMember, CoreObserver, NetworkEvent } from "./core-network.ts";
import type { Coverage } from "./coverage.ts";
import { imageBaseIndex, imageLastIndex, imageTermAt, readImage } from "./durable-image.ts";
import { LeaderChecks } from "./leader-checks.ts";
import { rule } from "./rule.ts";
import { TransferChecks } from "./transfer-checks.ts";

/** What a member was like after its last input. */
interface Seen {
  readonly incarnation: number;
  readonly term: Term;
  readonly role: string;
  readonly commitIndex: Index;
  readonly appliedIndex: Index;
}

/** Watches a network and stops the run at the first broken rule (Raft paper, figure 3, and what etcd's and others' bugs taught). */
export class CoreChecker implements CoreObserver {
  members: readonly CoreMember[] = [];
  /** Terms of the committed entries; index i at i - 1. */
  readonly committedTerms: Term[] = [];
  /** Term of the leader that committed each of them. */
  readonly #committedInTerm: Term[] = [];
  readonly coverage: Coverage;
  readonly transfers: TransferChecks;
  readonly #configurations: ConfigurationChecks;
  readonly #leaders: LeaderChecks;
  readonly #seen = new Map<MemberId, Seen>();
  readonly #leaderOfTerm = new Map<Term, MemberId>();
  readonly #candidates = new Map<Term, Set<MemberId>>();
  readonly #votes = new Map<string, MemberId>();
  readonly #releasedTerms = new Map<MemberId, Term>();
  readonly #entries = new Map<string, { readonly entry: Entry; prevTerm: Term | undefined }>();
  /** How far each log was last seen to have what is committed. */
  readonly #kept = new WeakMap<RaftNode, Index>();
  readonly #applied: Entry[] = [];
  readonly #reads = new Map<number, { readonly member: MemberId; readonly atLeast: Index }>();

  constructor(options: RaftOptions, tickMsMax: number, coverage: Coverage) {
    this.coverage = coverage;
    this.transfers = new TransferChecks(options.electionTimeoutMs + 2 * tickMsMax, coverage);
    this.#configurations = new ConfigurationChecks(coverage);
    this.#leaders = new LeaderChecks(options, coverage);
  }

  /** Remembers what a read that begins now must see: everything that anybody knows to be committed. */
  readBegins(context: number, member: MemberId): void {
    this.#reads.set(context, { member, atLeast: this.committedTerms.length });
  }

  /** Reads that have not ended. */
  get readsOpen(): number {
    return this.#reads.size;
  }

  started(member: CoreMember, node: RaftNode): void {
    rule(
      node.term >= (this.#releasedTerms.get(member.id) ?? 0),
      () => `${member.id} forgot a term that it had told others`,
    );
    if (this.#seen.get(member.id)?.role === "leader") this.coverage.saw("leaderRestarted");
    this.#seen.delete(member.id);
    for (const [context, read] of this.#reads) if (read.member === member.id) this.#reads.delete(context);
  }

  stepped(member: CoreMember, node: RaftNode): void {
    const before = this.#seen.get(member.id);
    if (before?.incarnation === member.incarnation) this.#checkMonotonic(member, node, before);
    if (node.role === "leader" && !(before?.role === "leader" && before.term === node.term)) {
      this.#checkNewLeader(member.id, node);
    }
    if (node.role === "leader") this.#leaders.check(node, this.members);
    this.#checkOrder(member, node);
    this.#checkCommit(member, node, before);
    this.#checkKept(member, node);
    this.#configurations.stepped(member, node, this.committedTerms.length);
    this.transfers.stepped(member, node);
    this.#checkWriteUnderWay(member, node);
    const { term, role, commitIndex, appliedIndex } = node;
    this.#seen.set(member.id, { incarnation: member.incarnation, term, role, commitIndex, appliedIndex });
  }

  #checkMonotonic(member: CoreMember, node: RaftNode, before: Seen): void {
    rule(node.term >= before.term, () => `term of ${member.id} ran back from ${before.term} to ${node.term}`);
    rule(node.commitIndex >= before.commitIndex, () => `commit index of ${member.id} ran back`);
    rule(node.appliedIndex >= before.appliedIndex, () => `applied index of ${member.id} ran back`);
    rule(node.appliedIndex <= node.commitIndex, () => `${member.id} applied beyond its commit index`);
    rule(node.commitIndex <= node.lastIndex, () => `${member.id} committed beyond its log`);
    rule(node.role === "follower" || member.installing === null, () => `${member.id} campaigns while it installs`);
    rule(node.role === "leader" || node.progress.size === 0, () => `${member.id} keeps progress without leading`);
    rule(node.role === "leader" || node.uncommittedBytes === 0, () => `${member.id} counts bytes without leading`);
    if (before.role === "leader" && node.role !== "leader" && node.term === before.term) {
      this.coverage.saw(node.isVoter ? "leaderSteppedDownInTerm" : "leaderRemoved");
    }
  }

  /** What is forgotten, in the state, applied, committed and in the log, each within the next. */
  #checkOrder({ id, image }: CoreMember, node: RaftNode): void {
    const { appliedIndex, commitIndex, lastIndex } = node;
    const order = [
      imageBaseIndex(image),
      node.firstIndex - 1,
      image.appliedIndex,
      appliedIndex,
      commitIndex,
      lastIndex,
    ];
    rule(
      order.every((index, position) => index >= (order[position - 1] ?? 0)),
      () => `purged <= snapshot <= applied <= committed <= last: ${id} has ${order.join(", ")}`,
    );
  }

  /** Whether an entry is still in a log; its term is not known before the log's base. */
  #isForgotten(node: RaftNode, index: Index): boolean {
    return index < node.firstIndex - 1;
  }

  #checkNewLeader(id: MemberId, node: RaftNode): void {
    const other = this.#leaderOfTerm.get(node.term) ?? id;
    rule(other === id, () => `election safety: ${other} and ${id} lead term ${node.term}`);
    this.#leaderOfTerm.set(node.term, id);
    this.coverage.saw("leaderElected");
    this.transfers.elected(id, node.term);
    this.#leaders.begin(node);
    // Of what was committed in terms before, the last one; log matching answers for those before it. A leader that is
    // elected late may lack what a leader of a later term has committed already.
    const index = this.#committedInTerm.findLastIndex((term) => term < node.term) + 1;
    const term = index === 0 ? 0 : this.committedTerms[index - 1];
    rule(
      this.#isForgotten(node, index) || node.termAt(index) === term,
      () => `leader completeness: ${id} leads term ${node.term} without entry ${index}`,
    );
  }

  #checkCommit(member: CoreMember, node: RaftNode, before: Seen | undefined): void {
    const known = before?.incarnation === member.incarnation ? before.commitIndex : 0;
    const from = Math.max(known, node.firstIndex - 2);
    if (node.commitIndex <= from) return;
    if (node.role === "leader" && before?.role === "leader") {
      rule(
        node.termAt(node.commitIndex) === node.term,
        () => `${member.id} committed an entry of an earlier term by counting`,
      );
      if (node.termAt(from + 1) !== node.term) this.coverage.saw("olderTermCommitted");
    }
    for (let index = from + 1; index <= node.commitIndex; index++) {
      const term = node.termAt(index);
      rule(term !== undefined, () => `${member.id} committed entry ${index}, which it does not have`);
      const known = this.committedTerms[index - 1];
      if (known === undefined) this.#commitFirst(member, node, index);
      else rule(known === term, () => `state machine safety: entry ${index} committed with terms ${known} and ${term}`);
    }
  }

  #commitFirst(member: CoreMember, node: RaftNode, index: Index): void {
    rule(node.role === "leader", () => `${member.id} committed entry ${index} before any leader did`);
    const term = node.termAt(index);
    rule(term !== undefined, () => `${member.id} committed entry ${index}, which it does not have`);
    const { configuration } = this.#configurations.inForce(member, node);
    const durable = isQuorum(configuration, (id) =>
      this.members.some((member) => member.id === id && imageTermAt(member.image, index) === term),
    );
    if (configuration.outgoingVoters.length > 0) this.coverage.saw("jointQuorum");
    rule(durable, () => `entry ${index} of term ${term} is committed and not durable on a quorum`);
    this.committedTerms.push(term);
    this.#committedInTerm.push(node.term);
  }

  /**
   * What is committed stays, except with a member that had it already and is told otherwise by a leader of a term before the
   * one in which it got committed: a late message.
   */
  #checkKept({ id }: CoreMember, node: RaftNode): void {
    // What was forgotten was committed and applied ({@link CoreChecker.#checkCommit} has looked at the base).
    let kept = Math.max(this.#kept.get(node) ?? 0, node.firstIndex - 1);
    for (; kept > 0 && node.termAt(kept) !== this.committedTerms[kept - 1]; kept--) {
      const inTerm = this.#committedInTerm[kept - 1] ?? 0;
      rule(inTerm > node.term, () => `${id} truncated the committed entry ${kept}`);
    }
    while (kept < this.committedTerms.length && node.termAt(kept + 1) === this.committedTerms[kept]) kept++;
    this.#kept.set(node, kept);
  }

  #checkWriteUnderWay(member: CoreMember, node: RaftNode): void {
    const durable = imageTermAt(member.image, node.durableIndex);
    rule(
      durable === node.termAt(node.durableIndex),
      () => `${member.id} takes entry ${node.durableIndex} to be durable`,
    );
  }

  released(member: CoreMember, messages: readonly Message[]): void {
    for (const message of messages) {
      const aboutNextTerm = "preVote" in message && message.preVote && !("granted" in message && !message.granted);
      const term = aboutNextTerm ? 0 : message.term;
      rule(term <= member.image.hardState.term, () => `${member.id} told of term ${term} before it was durable`);
      this.#releasedTerms.set(member.id, Math.max(term, this.#releasedTerms.get(member.id) ?? 0));
      this.transfers.released(message);
      this.#checkMessage(member, message);
    }
  }

  #checkMessage(member: CoreMember, message: Message): void {
    if (message.type === "RequestVoteRequest" && !message.preVote) {
      this.#vote(member, message.term, member.id);
      const candidates = this.#candidates.get(message.term) ?? new Set();
      this.#candidates.set(message.term, candidates.add(member.id));
      if (candidates.size === 2) this.coverage.saw("twoCandidates");
    } else if (message.type === "RequestVoteResponse") {
      if (message.granted && !message.preVote) this.#vote(member, message.term, message.to);
      if (!message.granted) this.coverage.saw(message.preVote ? "preVoteRefused" : "voteRefused");
    } else if (message.type === "AppendEntriesRequest") {
      const { prevLogIndex, prevLogTerm } = message;
      rule(
        prevLogTerm > 0 === prevLogIndex > 0,
        () => `${member.id} sends entries after ${prevLogIndex}/${prevLogTerm}`,
      );
      this.#matchEntries(message.entries, prevLogTerm);
    } else if (message.type === "AppendEntriesResponse") {
      if (!message.success) this.coverage.saw("appendRefused");
      else if (message.term === member.image.hardState.term) {
        rule(message.matchIndex <= imageLastIndex(member.image), () => `${member.id} acknowledged what is not durable`);
      }
    } else if (message.type === "InstallSnapshotRequest") {
      this.coverage.saw("snapshotAnnounced");
      const { index, indexTerm, commitIndex } = message;
      rule(
        this.committedTerms[index - 1] === indexTerm,
        () => `${member.id} announces a snapshot at ${index}/${indexTerm}`,
      );
      rule(commitIndex <= this.committedTerms.length, () => `${member.id} announces what is not committed`);
    }
  }

  #vote(member: CoreMember, term: Term, candidate: MemberId): void {
    const key = `${term}/${member.id}`;
    const other = this.#votes.get(key) ?? candidate;
    rule(other === candidate, () => `${member.id} voted for ${other} and ${candidate} in term ${term}`);
    this.#votes.set(key, candidate);
    const { hardState } = member.image;
    const durable = hardState.term > term || (hardState.term === term && hardState.votedFor === candidate);
    rule(durable, () => `${member.id} told of its vote in term ${term} before it was durable`);
  }

  /** Log matching, by induction: an entry is the same everywhere, and so is the term of the one before it. */
  #matchEntries(entries: readonly Entry[], termBefore: Term | undefined): void {
    let prevTerm = termBefore;
    for (const entry of entries) {
      const key = `${entry.index}/${entry.term}`;
      const known = this.#entries.get(key);
      if (known === undefined) this.#entries.set(key, { entry, prevTerm });
      else {
        rule(known.entry === entry, () => `log matching: two entries ${key}`);
        rule(
          prevTerm === undefined || known.prevTerm === undefined || known.prevTerm === prevTerm,
          () => `log matching: entry ${key} follows terms ${known.prevTerm} and ${prevTerm}`,
        );
        known.prevTerm ??= prevTerm;
      }
      prevTerm = entry.term;
    }
  }

  becomingDurable(member: CoreMember, write: Write): void {
    if (write.truncateFrom !== undefined) this.coverage.saw("truncated");
    const first = write.entries[0];
    this.#matchEntries(write.entries, first && imageTermAt(member.image, first.index - 1));
    rule(write.messages.length < 100, () => `${write.messages.length} messages waited for one write of ${member.id}`);
  }

  applying(member: CoreMember, entries: readonly Entry[]): void {
    this.coverage.saw("applied");
    for (const entry of entries) {
      rule(
        readImage(member.image, entry.index, entry.index, 0)[0] === entry,
        () => `${member.id} applies entry ${entry.index} before it is durable`,
      );
      const known = this.#applied[entry.index - 1] ?? entry;
      rule(known === entry, () => `state machine safety: ${member.id} applies another entry ${entry.index}`);
      this.#applied[entry.index - 1] = entry;
    }
  }

  installing(member: CoreMember, node: RaftNode, base: LogBase): void {
    const { index, term } = base;
    rule(
      this.committedTerms[index - 1] === term,
      () => `${member.id} installs ${index}/${term}, which is not committed`,
    );
    // A leader of an earlier term may not have it, and would be told that it does.
    const inTerm = this.#committedInTerm[index - 1] ?? 0;
    rule(inTerm <= node.term, () => `${member.id} installs in term ${node.term} what was committed in term ${inTerm}`);
    rule(member.writing === null, () => `${member.id} installs a snapshot while it writes`);
    rule(index > node.commitIndex, () => `${member.id} installs a snapshot of what is committed there`);
    this.#configurations.installing(member, base);
    if (node.lastIndex > node.commitIndex) this.coverage.saw("snapshotDropsEntries");
    if (base.configuration.configuration.outgoingVoters.length > 0) this.coverage.saw("snapshotOfJoint");
  }

  readEnded(member: CoreMember, read: ReadState): void {
    const begun = this.#reads.get(read.context);
    rule(
      begun?.member === member.id,
      () => `read ${read.context} ended at ${member.id} without having begun, or twice`,
    );
    this.#reads.delete(read.context);
    if (read.index === null) {
      this.coverage.saw("readRefused");
      return;
    }
    this.coverage.saw(member.node?.role === "leader" ? "readConfirmedAtLeader" : "readConfirmedAtFollower");
    rule(
      read.index >= begun.atLeast,
      () => `stale read: ${read.index}, though ${begun.atLeast} was committed when it began`,
    );
    rule(read.index <= this.committedTerms.length, () => `read of ${read.index}, which is not committed`);
  }

  happened(event: NetworkEvent): void {
    this.coverage.saw(event);
  }
}
