import { describe, expect, test } from "vitest";
import { type MemberId, votersOnly } from "../../src/raft/configuration.ts";
import type { Term } from "../../src/raft/entry.ts";
import { Coverage } from "./coverage.ts";
import { MemberRules, type WatchedMember } from "./member-rules.ts";
import type { PeerView, ViewedReplica } from "./member-view.ts";

const bootstrap = votersOnly(["a", "b", "c"].map((id) => ({ id, name: id, peerAddress: id })));
const limits = { proposals: 5, reads: 3, inflightMessages: 2, inflightBytes: 100 };
const log: readonly Term[] = [1, 1, 1, 1];

/** What a test says of a member; the rest is that of a follower that has its log and nothing else. */
type Facts = Partial<Pick<ViewedReplica, "appliedIndex" | "pendingProposals" | "pendingReads">> &
  Partial<Pick<ViewedReplica["core"], "role" | "term" | "commitIndex" | "firstIndex" | "lastIndex">> & {
    readonly snapshotIndex?: number;
    readonly matches?: Readonly<Record<MemberId, number>>;
    readonly inflights?: PeerView["inflights"];
  };

/** A member of which a test says what is on its disk and what it believes. */
class StagedMember implements WatchedMember {
  readonly id: MemberId;
  readonly forgetful = false;
  readonly incarnation = 1;
  /** Terms of the durable entries. */
  terms: readonly Term[];
  replica: ViewedReplica | undefined;
  #snapshotIndex = 0;

  constructor(id: MemberId, terms: readonly Term[]) {
    this.id = id;
    this.terms = terms;
  }

  get disk(): WatchedMember["disk"] {
    const { terms } = this;
    return {
      appliedIndex: this.#snapshotIndex,
      base: undefined,
      configurationAt: () => undefined,
      hardState: { term: terms.at(-1) ?? 0, votedFor: null, commitIndex: 0 },
      lastIndex: terms.length,
      held: () => false,
      holds: ({ index, term }) => index === 0 || terms[index - 1] === term,
      termAt: (index) => terms[index - 1],
      termsAt: (index) => terms.slice(index - 1, index),
    };
  }

  become({ appliedIndex = 0, pendingProposals = 0, pendingReads = 0, snapshotIndex = appliedIndex, ...facts }: Facts) {
    const { matches = {}, inflights = { count: 0, bytes: 0, full: false }, ...given } = facts;
    const { terms } = this;
    this.#snapshotIndex = snapshotIndex;
    const progress = new Map(Object.entries(matches).map(([peer, matchIndex]) => [peer, { matchIndex, inflights }]));
    const core = {
      role: "follower",
      term: terms.at(-1) ?? 0,
      commitIndex: 0,
      firstIndex: 1,
      lastIndex: terms.length,
      configurationAt: { index: 0, configuration: bootstrap },
      progress,
      ...given,
    } as const;
    this.replica = { appliedIndex, pendingProposals, pendingReads, core };
  }
}

/** Members under the rules, with the terms of what is on each one's disk. */
function stage(logs: Readonly<Record<MemberId, readonly Term[]>> = { a: log, b: log, c: log }) {
  const members = new Map(Object.entries(logs).map(([id, terms]) => [id, new StagedMember(id, terms)]));
  const rules = new MemberRules([...members.values()], bootstrap, new Coverage(), limits);
  const get = (id: MemberId): StagedMember => {
    const member = members.get(id);
    if (member === undefined) throw new Error(`there is no ${id}`);
    return member;
  };
  return {
    /** A member has done something, and is like this now. */
    acts: (id: MemberId, facts: Facts): void => {
      get(id).become(facts);
      rules.acted(get(id));
    },
    writes: (id: MemberId, terms: readonly Term[]): void => {
      get(id).terms = terms;
    },
  };
}

describe("leader completeness", () => {
  const afterTerm4 = () => {
    const members = stage({ a: [1, 4], b: [1, 4], c: [1] });
    members.acts("a", { role: "leader", term: 1, lastIndex: 1 });
    members.acts("a", { role: "leader", term: 1, lastIndex: 1, commitIndex: 1 });
    members.acts("a", { role: "leader", term: 4, commitIndex: 1 });
    members.acts("a", { role: "leader", term: 4, commitIndex: 2 });
    return members;
  };

  test("asks a leader for all that was committed in earlier terms", () => {
    expect(() => afterTerm4().acts("c", { role: "leader", term: 5 })).toThrow("leader completeness: c leads term 5");
    const members = afterTerm4();
    members.writes("c", [3]);
    expect(() => members.acts("c", { role: "leader", term: 3 })).toThrow("c leads term 3 without entry 1");
  });

  test("asks a leader whose votes come late for nothing of a later term", () => {
    afterTerm4().acts("c", { role: "leader", term: 3 });
  });
});

const leading = (inflights: Pick<PeerView["inflights"], "count" | "bytes">): Facts => ({
  role: "leader",
  matches: { b: 2 },
  inflights: { ...inflights, full: false },
});

describe("the rules of a member are broken by", () => {
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

  test.each<[string, Facts, Facts]>([
    ["6 proposals wait at a", { pendingProposals: 5 }, { pendingProposals: 6 }],
    ["4 reads wait at a", { pendingReads: 3 }, { pendingReads: 4 }],
    ["3 messages of 90 bytes", leading({ count: 2, bytes: 90 }), leading({ count: 3, bytes: 90 })],
    ["1 messages of 101 bytes", leading({ count: 1, bytes: 100 }), leading({ count: 1, bytes: 101 })],
  ])("a queue over its limit: %s", (told, within, beyond) => {
    stage().acts("a", within);
    expect(() => stage().acts("a", beyond)).toThrow(`bounded queues: ${told}`);
  });

  test("committing what no quorum has on disk", () => {
    const members = stage({ a: log, b: [1, 1, 1], c: [1, 1] });
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
    const members = stage({ a: log, b: [1, 1], c: log });
    expect(() => members.acts("a", { role: "leader", matches: { b: 3 } })).toThrow("match is durable");
  });
});
