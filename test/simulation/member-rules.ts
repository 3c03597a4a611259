import { type Configuration, isJoint, type MemberId } from "../../src/raft/configuration.ts";
import type { ConfigurationAt } from "../../src/raft/configuration-history.ts";
import type { Index, LogPosition, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import { check } from "./broken-rule.ts";
import type { Coverage } from "./coverage.ts";
import { isStill, type MemberView, type PeerView, type ViewedReplica, viewOf } from "./member-view.ts";
import { isQuorum, MembershipRules } from "./membership-rules.ts";
import type { SimDisk } from "./sim-disk.ts";

/** What the rules ask of a disk. */
export type WatchedDisk = Pick<
  SimDisk,
  "appliedIndex" | "base" | "configurationAt" | "hardState" | "held" | "holds" | "lastIndex" | "termAt" | "termsAt"
>;

/** A member as the rules see it. */
export interface WatchedMember {
  readonly id: MemberId;
  readonly disk: WatchedDisk;
  /** Its disk forgot, on purpose, what it had acknowledged: what it says proves nothing any more. */
  readonly forgetful: boolean;
  readonly incarnation: number;
  readonly replica: ViewedReplica | undefined;
}

/** How much may wait at a member at most. */
export interface QueueLimits {
  readonly proposals: number;
  readonly reads: number;
  /** Messages with entries under way to one peer. */
  readonly inflightMessages: number;
  /** The same in bytes, with the largest message on top that may exceed the window. */
  readonly inflightBytes: number;
}

/** What a member was like after its last event. */
interface Seen {
  readonly incarnation: number;
  readonly status: MemberView;
}

/** Rules about members and what they hold (Raft paper, figure 3), looked at after every event. */
export class MemberRules {
  /** Terms of the committed entries; index i at i - 1. */
  readonly committedTerms: Term[] = [];
  readonly membership: MembershipRules;
  /** Terms in which leaders committed them, as far as anybody looked; index i at i - 1. */
  readonly #committedInTerm: Term[] = [];
  readonly #members: readonly WatchedMember[];
  readonly #coverage: Coverage;
  readonly #limits: QueueLimits;
  readonly #seen = new Map<MemberId, Seen>();
  readonly #leaderOfTerm = new Map<Term, MemberId>();
  readonly #matches = new Map<string, Index>();

  /** `members` may grow; `bootstrap` is in force before the first entry. */
  constructor(members: readonly WatchedMember[], bootstrap: Configuration, coverage: Coverage, limits: QueueLimits) {
    this.#members = members;
    this.membership = new MembershipRules(bootstrap, coverage);
    this.#coverage = coverage;
    this.#limits = limits;
  }

  /** A member has done something; whether it began to lead. */
  acted(member: WatchedMember): boolean {
    const { replica } = member;
    if (member.forgetful || replica === undefined) return false;
    this.#checkQueues(member.id, replica);
    const seen = this.#seen.get(member.id);
    const before = seen?.incarnation === member.incarnation ? seen.status : undefined;
    if (before !== undefined && isStill(before, replica)) return false;
    const status = viewOf(replica);
    if (before !== undefined) this.#checkMonotonic(member.id, before, status);
    checkOrder(member, status);
    if (status.role === "leader") this.#checkLeader(member, replica.core.progress, before, status);
    if (status.commitIndex > (before?.commitIndex ?? 0)) this.#checkCommit(member, before, status);
    this.membership.acted(member.id, before, status);
    const { appliedIndex } = status;
    check(
      member.disk.holds(this.#committedAt(appliedIndex)),
      "state machine safety",
      () => `${member.id} applied entry ${appliedIndex}; it is not the one that was committed`,
    );
    this.#seen.set(member.id, { incarnation: member.incarnation, status });
    return status.role === "leader" && !(before?.role === "leader" && before.term === status.term);
  }

  /** A member gives its store all that it has of the log; `logged` are the configurations in it. */
  handsOver(member: WatchedMember, status: MemberView, logged: readonly ConfigurationAt[]): void {
    if (member.forgetful) return;
    this.membership.handsOver(member.id, status, logged, this.committedTerms.length);
  }

  /** A batch took an entry from a disk: it must not have been committed. */
  entryRemoved(member: WatchedMember, { index, term }: LogPosition): void {
    if (member.forgetful) return;
    check(
      this.committedTerms[index - 1] !== term,
      "committed entries stay",
      () => `${member.id} removes entry ${index} of term ${term}`,
    );
  }

  /** A log was compacted, or a snapshot installed: durably, and up to what is applied and committed. */
  baseMoved(member: WatchedMember, base: LogBase): void {
    if (member.forgetful) return;
    this.stands(member, base);
    const { appliedIndex } = member.disk;
    check(
      base.index <= appliedIndex,
      "purged <= applied, durably",
      () => `${member.id} has no log up to ${base.index}, and has applied ${appliedIndex}`,
    );
    if (isJoint(base.configuration.configuration)) this.#coverage.saw("compactedDuringJointConfiguration");
  }

  /** A leader tells where a snapshot has to stand at least. */
  announces({ id, forgetful }: WatchedMember, position: LogPosition): void {
    check(
      forgetful || this.#committedAt(position.index).term === position.term,
      "announced snapshots stand at committed entries",
      () => `${id} announces one at ${position.index}/${position.term}`,
    );
  }

  /** A snapshot that a member gives away, or the base of its log, stands at a committed entry with its configuration. */
  stands({ id }: WatchedMember, { index, term, configuration }: LogBase): void {
    check(
      index <= this.committedTerms.length && this.#committedAt(index).term === term,
      "snapshots stand at committed entries",
      () => `${id}'s stands at ${index}/${term}`,
    );
    this.membership.checkSnapshot(id, index, configuration);
  }

  /** A member applies an entry. */
  applying(member: WatchedMember, index: Index): void {
    if (member.forgetful) return;
    check(index <= member.disk.lastIndex, "applied is durable", () => `${member.id} applies ${index} before it is`);
  }

  /** An entry that is committed; "before the log" for 0. */
  #committedAt(index: Index): LogPosition {
    return { index, term: index === 0 ? 0 : (this.committedTerms[index - 1] ?? 0) };
  }

  #checkQueues(id: MemberId, { pendingProposals, pendingReads }: ViewedReplica): void {
    const { proposals, reads } = this.#limits;
    check(pendingProposals <= proposals, "bounded queues", () => `${pendingProposals} proposals wait at ${id}`);
    check(pendingReads <= reads, "bounded queues", () => `${pendingReads} reads wait at ${id}`);
  }

  #checkMonotonic(id: MemberId, before: MemberView, status: MemberView): void {
    check(status.term >= before.term, "term grows", () => `${id}: from ${before.term} to ${status.term}`);
    check(
      status.commitIndex >= before.commitIndex,
      "commit index grows",
      () => `${id}: from ${before.commitIndex} to ${status.commitIndex}`,
    );
    check(
      status.appliedIndex >= before.appliedIndex,
      "applied index grows",
      () => `${id}: from ${before.appliedIndex} to ${status.appliedIndex}`,
    );
  }

  #checkLeader(
    member: WatchedMember,
    progress: ReadonlyMap<MemberId, PeerView>,
    before: MemberView | undefined,
    status: MemberView,
  ): void {
    const { term } = status;
    const isNew = before?.role !== "leader" || before.term !== term;
    if (isNew) this.#checkNewLeader(member, term);
    else {
      check(status.lastIndex >= before.lastIndex, "leader append-only", () => `${member.id} shortened its log`);
    }
    for (const [peerId, { matchIndex, inflights }] of progress) {
      this.#checkMatch(member, term, peerId, matchIndex);
      const { count, bytes, full } = inflights;
      check(
        count <= this.#limits.inflightMessages && bytes <= this.#limits.inflightBytes,
        "bounded queues",
        () => `${count} messages of ${bytes} bytes are under way from ${member.id} to ${peerId}`,
      );
      if (full) this.#coverage.saw("windowFull");
    }
  }

  #checkNewLeader(member: WatchedMember, term: Term): void {
    const other = this.#leaderOfTerm.get(term) ?? member.id;
    check(other === member.id, "election safety", () => `${other} and ${member.id} lead term ${term}`);
    this.#leaderOfTerm.set(term, member.id);
    this.#coverage.saw("leaderElected");
    if (this.#members.some(({ id, replica }) => id !== member.id && replica?.core.role === "leader")) {
      this.#coverage.saw("twoLeaders");
    }
    // Of what was committed in terms before, the last one; log matching answers for those before it. A leader that is
    // elected late may lack what a leader of a later term has committed already.
    const last = this.#committedInTerm.findLastIndex((committedIn) => committedIn < term) + 1;
    check(
      member.disk.holds(this.#committedAt(last)),
      "leader completeness",
      () => `${member.id} leads term ${term} without entry ${last}`,
    );
  }

  #checkMatch(leader: WatchedMember, term: Term, peerId: MemberId, matchIndex: Index): void {
    const key = `${term} ${peerId}`;
    const before = this.#matches.get(key) ?? 0;
    if (before === matchIndex) return;
    check(matchIndex > before, "match grows", () => `match of ${peerId} at ${leader.id} fell to ${matchIndex}`);
    this.#matches.set(key, matchIndex);
    const peer = this.#members.find(({ id }) => id === peerId);
    // One of a later term may have truncated what it had acknowledged to this leader, who is deposed then.
    if (peer === undefined || peer.forgetful || peer.disk.hardState.term > term) return;
    check(
      matchIndex <= peer.disk.lastIndex,
      "match is durable",
      () => `${leader.id} believes that ${peerId} has entry ${matchIndex}; its disk ends at ${peer.disk.lastIndex}`,
    );
    const own = leader.disk.termAt(matchIndex);
    check(
      own === undefined || peer.disk.holds({ index: matchIndex, term: own }),
      "match is of the leader's log",
      () => `${leader.id} believes that ${peerId} has its entry ${matchIndex}`,
    );
  }

  #checkCommit(member: WatchedMember, before: MemberView | undefined, status: MemberView): void {
    const { commitIndex } = status;
    const from = this.committedTerms.length;
    // Between two looks a leader may have counted by the configuration of then or by that of now.
    const configurations = before === undefined ? [status.configuration] : [before.configuration, status.configuration];
    for (let index = from + 1; index <= commitIndex; index++) {
      this.#commitFirst(member, index, status.term, configurations);
    }
    const committed = this.committedTerms[commitIndex - 1];
    if (status.role !== "leader" || before?.role !== "leader" || before.term !== status.term) return;
    check(
      committed === status.term,
      "commits own term",
      () => `leader ${member.id} of term ${status.term} commits up to entry ${commitIndex} of term ${committed}`,
    );
    if (this.committedTerms[before.commitIndex] !== status.term) this.#coverage.saw("committedOlderTerm");
  }

  /** The first to commit an entry must have a quorum on whose disks it is. */
  #commitFirst(member: WatchedMember, index: Index, inTerm: Term, configurations: readonly Configuration[]): void {
    const terms = new Set(this.#members.flatMap(({ disk }) => disk.termsAt(index)));
    const term = [...terms].find((each) => this.#isDurable({ index, term: each }, configurations));
    check(
      term !== undefined,
      "committed is durable",
      () => `${member.id} commits entry ${index}, which no quorum has on disk`,
    );
    this.committedTerms.push(term);
    this.#committedInTerm.push(inTerm);
    this.#noteConfiguration({ index, term });
  }

  #noteConfiguration(position: LogPosition): void {
    for (const { disk } of this.#members) {
      const configuration = disk.configurationAt(position);
      if (configuration === undefined) continue;
      this.membership.commits(position.index, configuration);
      return;
    }
  }

  #isDurable(position: LogPosition, configurations: readonly Configuration[]): boolean {
    const holders = new Set(
      this.#members.filter(({ disk }) => disk.holds(position) || disk.held(position)).map(({ id }) => id),
    );
    return configurations.some((configuration) => isQuorum(configuration, (id) => holders.has(id)));
  }
}

/** What is forgotten, in the durable state, applied, committed and in the log, each within the next. */
function checkOrder(
  { id, disk }: WatchedMember,
  { firstIndex, appliedIndex, commitIndex, lastIndex }: MemberView,
): void {
  // The durable state is what a snapshot gives away; one that is being installed is ahead until the member hears of it.
  const snapshotIndex =
    disk.appliedIndex === disk.base?.index ? Math.min(disk.appliedIndex, appliedIndex) : disk.appliedIndex;
  const purgedIndex = firstIndex - 1;
  const ordered =
    0 <= purgedIndex &&
    purgedIndex <= snapshotIndex &&
    snapshotIndex <= appliedIndex &&
    appliedIndex <= commitIndex &&
    commitIndex <= lastIndex;
  check(
    ordered,
    "purged <= snapshot <= applied <= committed <= last",
    () => `${id}: ${[purgedIndex, snapshotIndex, appliedIndex, commitIndex, lastIndex].join(", ")}`,
  );
}
