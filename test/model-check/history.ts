import type { MemberId } from "../../src/raft/configuration.ts";
import type { Entry, Index, Term } from "../../src/raft/entry.ts";
import { rule } from "../raft/rule.ts";
import type { Commit } from "../raft/stepped-member.ts";
import type { Fingerprinter } from "./fingerprint.ts";
import { Interner } from "./interner.ts";
import { entryIn, type LogView } from "./log-view.ts";
import type { MemberState, Step } from "./member-states.ts";
import {
  checkCommitted,
  checkComplete,
  checkConfigurations,
  checkKept,
  checkMatches,
  checkMatching,
  isDurable,
} from "./world-rules.ts";

/** What rules must remember of a world's past, since its present does not tell. */
export interface History {
  /** Who has led each term. */
  readonly leaders: Readonly<Record<Term, MemberId>>;
  /** What any leader has committed, with the term of the leader that did. */
  readonly committed: readonly { readonly entry: Entry; readonly inTerm: Term }[];
  /** Reads under way by their number, and how much was committed when each began. */
  readonly reads: Readonly<Record<number, { readonly member: MemberId; readonly atLeast: Index }>>;
}

/** Follows the histories of worlds, and stops with a `BrokenRule` at one that Raft rules out. */
export class Histories {
  readonly #known: Interner<History>;
  readonly #logNumbers = new Map<LogView, number>();
  /** Pairs of logs that were found to match. */
  readonly #matching = new Set<number>();

  constructor(fingerprinter: Fingerprinter) {
    this.#known = new Interner((history) => fingerprinter.of(history));
  }

  /** Number of the history of a world in which nothing has happened. */
  get start(): number {
    return this.#known.number({ leaders: {}, committed: [], reads: {} });
  }

  at(number: number): History {
    return this.#known.at(number);
  }

  digests(number: number): Int32Array {
    return this.#known.digests(number);
  }

  /** A read begins: it must see everything that anybody knows to be committed. */
  readBegins(number: number, context: number, member: MemberId): number {
    const history = this.at(number);
    const read = { member, atLeast: history.committed.length };
    return this.#known.number({ ...history, reads: { ...history.reads, [context]: read } });
  }

  /** The history after a step that began in `before`; `members` are all of them, as they are after it. */
  after(number: number, before: MemberState, step: Step, members: readonly MemberState[]): number {
    const known = this.at(number);
    const { next, commits, reads } = step;
    let history = known;
    const isNewLeader = next.role === "leader" && (before.role !== "leader" || before.term !== next.term);
    if (isNewLeader) history = withLeader(history, next);
    for (const commit of commits) history = withCommit(history, next, commit, members);
    if (history !== known) for (const member of members) checkComplete(history, member);
    for (const { context, index } of reads) history = withoutRead(history, context, next.id, index);
    checkCommitted(history, next);
    checkConfigurations(history, next);
    this.#checkMatching(next, members);
    for (const leader of members) if (leader.role === "leader") checkMatches(leader, members);
    if (next.durable.log !== before.durable.log) checkKept(history, members);
    return history === known ? number : this.#known.number(history);
  }

  #checkMatching(changed: MemberState, members: readonly MemberState[]): void {
    const number = this.#logNumber(changed.log);
    for (const other of members) {
      const otherNumber = this.#logNumber(other.log);
      const pair = Math.min(number, otherNumber) * 2 ** 26 + Math.max(number, otherNumber);
      if (number === otherNumber || this.#matching.has(pair)) continue;
      checkMatching(changed, other);
      this.#matching.add(pair);
    }
  }

  #logNumber(log: LogView): number {
    const number = this.#logNumbers.get(log) ?? this.#logNumbers.size;
    this.#logNumbers.set(log, number);
    return number;
  }
}

function withLeader(history: History, { id, term }: MemberState): History {
  const other = history.leaders[term] ?? id;
  rule(other === id, () => `election safety: ${other} and ${id} lead term ${term}`);
  return { ...history, leaders: { ...history.leaders, [term]: id } };
}

function withCommit(history: History, member: MemberState, commit: Commit, members: readonly MemberState[]): History {
  const { to, asLeader, term, configuration } = commit;
  if (to <= history.committed.length) return history;
  rule(asLeader, () => `${member.id} committed entry ${to} before any leader did`);
  const committed = [...history.committed];
  for (let index = committed.length + 1; index <= to; index++) {
    const entry = entryIn(member.log, index);
    rule(entry !== undefined, () => `${member.id} committed entry ${index}, which it does not have`);
    rule(
      isDurable(configuration.configuration, index, entry.term, members),
      () => `entry ${index} of term ${entry.term} is committed and not durable on a quorum`,
    );
    committed.push({ entry, inTerm: term });
  }
  return { ...history, committed };
}

function withoutRead(history: History, context: number, member: MemberId, index: Index | null): History {
  const { [context]: read, ...reads } = history.reads;
  rule(read?.member === member, () => `read ${context} ended at ${member} without having begun, or twice`);
  if (index !== null) {
    rule(index >= read.atLeast, () => `stale read: ${index}, though ${read.atLeast} was committed when it began`);
    rule(index <= history.committed.length, () => `read of ${index}, which is not committed`);
  }
  return { ...history, reads };
}
