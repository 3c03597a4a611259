import { describe, expect, test } from "vitest";
import { type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { Term } from "../../src/raft/entry.ts";
import { Coverage } from "./coverage.ts";
import { MemberRules, type WatchedMember } from "./member-rules.ts";
import type { ViewedReplica } from "./member-view.ts";

const bootstrap = votersOnly(["a", "b", "c"].map((id) => ({ id, name: id, peerAddress: id })));
const pendingMax = 5;

type Facts = { readonly snapshotIndex?: number } & Partial<Pick<ViewedReplica, "appliedIndex" | "pendingProposals">> &
  Partial<Pick<ViewedReplica["core"], "role" | "term" | "commitIndex" | "firstIndex" | "lastIndex">> & {
    readonly matches?: Readonly<Record<MemberId, number>>;
  };

/** Members of which a test says what is on their disks and what they believe. */
class Stage {
  readonly #members = new Map<
    MemberId,
    WatchedMember & { replica: ViewedReplica; terms: readonly Term[]; snapshotIndex: number }
  >();
  readonly rules: MemberRules;

  /** Terms of each member's durable entries. */
  constructor(logs: Readonly<Record<MemberId, readonly Term[]>>) {
    for (const id of Object.keys(logs)) this.#members.set(id, this.#member(id));
    for (const [id, terms] of Object.entries(logs)) this.writes(id, terms);
    this.rules = new MemberRules([...this.#members.values()], bootstrap, new Coverage(), pendingMax);
  }

  /** A member's disk holds entries of these terms from now on. */
  writes(id: MemberId, terms: readonly Term[]): void {
    this.#get(id).terms = terms;
  }

  /** A member has done something, and looks like this now: a follower that has its log and nothing else, if not told otherwise. */
  acts(id: MemberId, { appliedIndex = 0, pendingProposals = 0, matches = {}, ...facts }: Facts): void {
    const member = this.#get(id);
    const { snapshotIndex = appliedIndex, ...core } = facts;
    member.snapshotIndex = snapshotIndex;
    const lastIndex = member.terms.length;
    const usual = {
      role: "follower",
      term: member.terms.at(-1) ?? 0,
      commitIndex: 0,
      firstIndex: 1,
      lastIndex,
    } as const;
    const configurationAt = { index: 0, configuration: bootstrap };
    const progress = new Map(Object.entries(matches).map(([peer, matchIndex]) => [peer, { matchIndex }]));
    member.replica = { appliedIndex, pendingProposals, core: { ...usual, configurationAt, progress, ...core } };
    this.rules.acted(member);
  }

  #get(id: MemberId) {
    const member = this.#members.get(id);
    if (member === undefined) throw new Error(`there is no ${id}`);
    return member;
  }

  #member(id: MemberId) {
    const core = {
      role: "follower",
      term: 0,
      commitIndex: 0,
      firstIndex: 1,
      lastIndex: 0,
      configurationAt: { index: 0, configuration: bootstrap },
      progress: new Map(),
    } as const;
    const terms = (): readonly Term[] => this.#get(id).terms;
    const snapshotIndex = (): number => this.#get(id).snapshotIndex;
    const disk: WatchedMember["disk"] = {
      get appliedIndex() {
        return snapshotIndex();
      },
      base: undefined,
      configurationAt: () => undefined,
      get hardState() {
        return { term: terms().at(-1) ?? 0, votedFor: null, commitIndex: 0 };
      },
      get lastIndex() {
        return terms().length;
      },
      held: () => false,
      holds: ({ index, term }) => index === 0 || terms()[index - 1] === term,
      termAt: (index) => terms()[index - 1],
      termsAt: (index) => terms().slice(index - 1, index),
    };
    const replica: ViewedReplica = { appliedIndex: 0, pendingProposals: 0, core };
    return { id, disk, replica, terms: [], snapshotIndex: 0, forgetful: false, incarnation: 1 };
  }
}

describe("leader completeness", () => {
  const afterTerm4 = (): Stage => {
    const stage = new Stage({ a: [1, 4], b: [1, 4], c: [1] });
    stage.acts("a", { role: "leader", term: 1, lastIndex: 1 });
    stage.acts("a", { role: "leader", term: 1, lastIndex: 1, commitIndex: 1 });
    stage.acts("a", { role: "leader", term: 4 });
    stage.acts("a", { role: "leader", term: 4, commitIndex: 2 });
    return stage;
  };

  test("asks a leader for all that was committed in earlier terms", () => {
    expect(() => afterTerm4().acts("c", { role: "leader", term: 5 })).toThrow("leader completeness: c leads term 5");
    const stage = afterTerm4();
    stage.writes("c", [3]);
    expect(() => stage.acts("c", { role: "leader", term: 3 })).toThrow("c leads term 3 without entry 1");
  });

  test("asks a leader whose votes come late for nothing of a later term", () => {
    afterTerm4().acts("c", { role: "leader", term: 3 });
  });
});

describe("the rules of a member are broken by", () => {
  const log = [1, 1, 1, 1];
  const stage = () => new Stage({ a: log, b: log, c: log });

  test("a second leader of a term", () => {
    const members = stage();
    members.acts("a", { role: "leader" });
    expect(() => members.acts("b", { role: "leader" })).toThrow("election safety: a and b lead term 1");
  });

  test.each<[string, Facts]>([
    ["a log that is gone up to behind what is applied", { firstIndex: 4, commitIndex: 4, appliedIndex: 2 }],
    [
      "a log that is gone up to behind its snapshot",
      { firstIndex: 4, commitIndex: 4, appliedIndex: 4, snapshotIndex: 2 },
    ],
    ["a snapshot of what is not applied", { commitIndex: 3, appliedIndex: 2, snapshotIndex: 3 }],
    ["applying what is not committed", { commitIndex: 2, appliedIndex: 3 }],
    ["a commit index behind the log", { commitIndex: 5 }],
  ])("%s", (_what, facts) => {
    expect(() => stage().acts("a", facts)).toThrow("purged <= snapshot <= applied <= committed <= last");
  });

  test.each<[string, Facts, Facts]>([
    ["term grows", { term: 3 }, { term: 2 }],
    ["commit index grows", { commitIndex: 3 }, { commitIndex: 2 }],
    ["applied index grows", { commitIndex: 3, appliedIndex: 3 }, { commitIndex: 3, appliedIndex: 2 }],
    ["leader append-only", { role: "leader" }, { role: "leader", lastIndex: 3 }],
    ["match grows", { role: "leader", matches: { b: 3 } }, { role: "leader", matches: { b: 2 } }],
    ["commits own term", { role: "leader", term: 2 }, { role: "leader", term: 2, commitIndex: 4 }],
  ])("what runs back or skips: %s", (rule, before, after) => {
    const members = stage();
    members.acts("a", before);
    expect(() => members.acts("a", after)).toThrow(rule);
  });

  test("more proposals than may wait", () => {
    const members = stage();
    members.acts("a", { pendingProposals: pendingMax });
    expect(() => members.acts("a", { pendingProposals: pendingMax + 1 })).toThrow("bounded queues: 6 proposals");
  });

  test("committing what no quorum has on disk", () => {
    const members = new Stage({ a: log, b: [1, 1, 1], c: [1, 1] });
    members.acts("a", { role: "leader", commitIndex: 3 });
    expect(() => members.acts("a", { role: "leader", commitIndex: 4 })).toThrow(
      "committed is durable: a commits entry 4",
    );
  });

  test("taking a committed entry off a disk, or another for it", () => {
    const members = stage();
    members.acts("a", { commitIndex: 2 });
    members.writes("b", [1, 2]);
    expect(() => members.acts("b", { term: 2, commitIndex: 2, appliedIndex: 2 })).toThrow("state machine safety");
  });

  test("believing that a peer has what it has not", () => {
    const members = new Stage({ a: log, b: [1, 1], c: log });
    expect(() => members.acts("a", { role: "leader", matches: { b: 3 } })).toThrow("match is durable");
  });
});
