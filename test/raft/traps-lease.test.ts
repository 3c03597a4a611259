import { describe, expect, test } from "vitest";
import type { Configuration } from "../../src/raft/configuration.ts";
import type { RaftOptions } from "../../src/raft/options.ts";
import { RoundTimes } from "../../src/raft/round-times.ts";
import { appended, askVote, heartbeat, heartbeatAnswer, ofType, vote } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { TestMember, type TestMemberOptions, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them. The election timeout
// is 100 ms and heartbeats leave every 10 ms, so a lease lasts for 90 ms from when a heartbeat left.

const lease: Partial<RaftOptions> = { lease: { clockDriftMax: 0.1 } };
const promisedMs = 100;

/** A leader that has committed an entry of its term, and nobody's promise. */
function leader(options: TestMemberOptions = {}): TestMember {
  const member = new TestMember({ ...options, raft: { ...lease, ...options.raft } });
  member.lead();
  for (const from of ["b", "c"]) member.hear(appended(1, 1, { from }));
  return member;
}

/** Lets a heartbeat interval pass; the round that left then. */
function nextRound(member: TestMember): number {
  return ofType(member.wait(10), "HeartbeatRequest").at(-1)?.round ?? 0;
}

/** Until when the lease lasts, to the tenth of a millisecond, while ticks go on; as it stands now if it is not held. */
function heldUntil(member: TestMember): number {
  while (member.node.holdsLease(member.nowMs)) {
    member.nowMs += 0.1;
    member.node.tick(member.nowMs);
  }
  return member.nowMs;
}

describe("the lease of a leader", () => {
  test("answers reads at once, from the commit index, where a round would be needed", () => {
    const member = leader();
    member.hear(heartbeatAnswer(1, nextRound(member), { promisedMs }));
    member.node.readIndex(1, member.nowMs);
    expect(ofType(member.drain(), "HeartbeatRequest")).toEqual([]);
    expect(member.reads).toEqual([{ context: 1, index: 1, leased: true }]);
    const answer = member.hear({ type: "ReadIndexRequest", from: "c", to: "a", term: 1, id: 7 });
    expect(answer).toEqual([
      { type: "ReadIndexResponse", from: "a", to: "c", term: 1, id: 7, index: 1, refused: false },
    ]);
    expect(member.node.readCounts).toEqual({ byLease: 2, byRound: 0 });
  });

  test("is not there unless it was asked for", () => {
    const member = leader({ raft: { lease: null } });
    member.hear(heartbeatAnswer(1, nextRound(member), { promisedMs }));
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
  });

  test("trap 53: begins when the heartbeat left, not when it was answered, and ends a drift before the promise", () => {
    const member = leader();
    const round = nextRound(member);
    const sentMs = member.nowMs;
    member.wait(40);
    member.hear(heartbeatAnswer(1, round, { promisedMs }));
    expect(heldUntil(member)).toBeCloseTo(sentMs + 90, 0);
  });

  test("trap 53: an answer to an early round extends nothing that a later one began", () => {
    const member = leader();
    const early = nextRound(member);
    const sentMs = member.nowMs;
    for (let i = 0; i < 5; i++) nextRound(member);
    member.hear(heartbeatAnswer(1, early, { promisedMs }));
    member.hear(heartbeatAnswer(1, early, { promisedMs, from: "c" }));
    expect(heldUntil(member)).toBeCloseTo(sentMs + 90, 0);
  });

  test("rests on what followers promised, not on what this member would promise", () => {
    const member = leader();
    const round = nextRound(member);
    const sentMs = member.nowMs;
    member.hear(heartbeatAnswer(1, round, { promisedMs: 0 }));
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
    member.hear(heartbeatAnswer(1, round, { promisedMs: 50, from: "c" }));
    expect(heldUntil(member)).toBeCloseTo(sentMs + 45, 0);
  });

  test("trap 50: rests on both halves of the configuration in force", () => {
    const members = ["a", "b", "c", "d", "e"].map((id) => ({ id, name: id, peerAddress: id, keepLearner: true }));
    const configuration: Configuration = { ...voters("a", "d", "e"), learners: ["b", "c"], members };
    for (const [promising, [before, after]] of [
      ["bc", [false, false]],
      ["d", [true, false]],
      ["bd", [true, true]],
    ] as const) {
      const member = new TestMember({ configuration, raft: lease });
      member.lead();
      for (const from of ["d", "b", "c"]) member.hear(appended(1, 1, { from }));
      const round = nextRound(member);
      for (const from of promising) member.hear(heartbeatAnswer(1, round, { promisedMs, from }));
      expect(member.node.holdsLease(member.nowMs)).toBe(before);
      // In force as soon as it is appended.
      expect(member.node.changeMembership({ voters: ["a", "b", "c"], learners: [], members })).toBe(2);
      expect(member.node.holdsLease(member.nowMs)).toBe(after);
    }
  });

  test("trap 48: needs a committed entry of the leader's own term", () => {
    const member = new TestMember({ terms: [1, 1], hardState: { commitIndex: 1 }, raft: lease });
    member.wait(100);
    member.lead();
    const round = nextRound(member);
    for (const from of ["b", "c"]) member.hear(heartbeatAnswer(2, round, { promisedMs, from }));
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
    member.hear(appended(2, 3));
    expect(member.node.holdsLease(member.nowMs)).toBe(true);
  });

  test("a lone voter needs nobody's promise", () => {
    const member = new TestMember({ configuration: voters("a"), raft: lease });
    member.lead();
    expect(member.node.holdsLease(member.nowMs)).toBe(true);
  });
});

describe("trap 52: a leader whose process stood still", () => {
  function leaseHolder(): TestMember {
    const member = leader();
    member.hear(heartbeatAnswer(1, nextRound(member), { promisedMs }));
    return member;
  }

  test("looks at the clock as it is when a read comes, before any tick has told it the time", () => {
    const member = leaseHolder();
    member.node.readIndex(1, member.nowMs + 1000);
    member.drain();
    expect(member.reads).toEqual([]);
  });

  test("does the same when a follower asks", () => {
    const member = leaseHolder();
    member.nowMs += 1000;
    const sent = member.hear({ type: "ReadIndexRequest", from: "c", to: "a", term: 1, id: 7 });
    expect(ofType(sent, "ReadIndexResponse")).toEqual([]);
  });

  test("trusts no lease after a gap between ticks, though it would not be over yet", () => {
    const member = leaseHolder();
    member.nowMs += 25;
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
    member.node.tick(member.nowMs);
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
    // Neither by answers to what it sent before.
    member.hear(heartbeatAnswer(1, 2, { promisedMs }));
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
    member.drain();
    member.hear(heartbeatAnswer(1, nextRound(member), { promisedMs }));
    expect(member.node.holdsLease(member.nowMs)).toBe(true);
  });
});

describe("trap 54: a leader that has asked somebody to campaign at once", () => {
  test("has no lease for the rest of its term, whatever comes of the request", () => {
    const member = leader();
    member.hear(heartbeatAnswer(1, nextRound(member), { promisedMs }));
    member.node.transferLeadership("b");
    expect(member.node.holdsLease(member.nowMs)).toBe(true);
    expect(ofType(member.drain(), "TimeoutNowRequest")).toHaveLength(1);
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
    for (let i = 0; i < 15; i++) {
      const round = nextRound(member);
      for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, round, { promisedMs, from }));
    }
    expect(member.node).toMatchObject({ role: "leader", term: 1, transferring: false });
    expect(member.node.holdsLease(member.nowMs)).toBe(false);
  });

  test("has one again in a later term", () => {
    const member = leader();
    member.node.transferLeadership("b");
    member.drain();
    member.hear(heartbeat(2, 0));
    member.wait(100);
    member.lead();
    member.hear(appended(3, 2));
    member.hear(heartbeatAnswer(3, nextRound(member), { promisedMs }));
    expect(member.node.holdsLease(member.nowMs)).toBe(true);
  });
});

describe("who has promised a leader not to vote", () => {
  const granted = (member: TestMember, term: number, fields = {}): boolean =>
    ofType(member.hear(askVote(term, { index: 9, term: 9 }, { from: "c", ...fields })), "RequestVoteResponse").some(
      (answer) => answer.granted,
    );

  test("tells so in its answer, and nothing where leases are off", () => {
    for (const [raft, promise] of [
      [lease, 100],
      [{}, 0],
    ] as const) {
      expect(new TestMember({ raft }).hear(heartbeat(1, 0))).toMatchObject([{ promisedMs: promise }]);
    }
  });

  test("votes for nobody for an election timeout, even when another term has come up since", () => {
    const member = new TestMember({ raft: lease });
    member.hear(heartbeat(5, 0));
    // A late answer to a pre-vote of long ago tells of term 6, in which nobody leads.
    member.hear(vote(6, false, { from: "c", preVote: true }));
    expect(member.node).toMatchObject({ term: 6, leaderId: null });
    for (const term of [6, 7]) expect(granted(member, term)).toBe(false);
    member.nowMs += 10;
    for (; member.nowMs < 100; member.nowMs += 10) {
      member.node.tick(member.nowMs);
      expect(granted(member, 7)).toBe(false);
    }
    member.node.tick(member.nowMs);
    expect(granted(member, 7)).toBe(true);
  });

  test("neither votes for itself", () => {
    const member = new TestMember({ raft: lease });
    member.hear(heartbeat(1, 0));
    member.node.campaign();
    expect(member.drain()).toEqual([]);
    expect(member.node.role).toBe("follower");
  });

  test("votes in an election that the leader asked for", () => {
    const member = new TestMember({ raft: lease });
    member.hear(heartbeat(1, 0));
    expect(granted(member, 2, { leadershipTransfer: true })).toBe(true);
  });

  test("counts from when it heard the leader, not from the tick before", () => {
    const member = new TestMember({ raft: lease });
    member.nowMs = 19;
    member.hear(heartbeat(1, 0));
    for (member.nowMs = 20; member.nowMs < 119; member.nowMs += 11) {
      member.node.tick(member.nowMs);
      expect(granted(member, 2)).toBe(false);
    }
    member.node.tick(119);
    expect(granted(member, 2)).toBe(true);
  });

  test("still refuses after a restart, having forgotten whom it heard", () => {
    const before = new TestMember({ raft: lease });
    before.hear(heartbeat(1, 0));
    const member = before.restart();
    expect(granted(member, 2)).toBe(false);
    expect(granted(member, 2, { preVote: true })).toBe(false);
    member.wait(90);
    expect(granted(member, 2)).toBe(false);
    member.wait(10);
    expect(granted(member, 2)).toBe(true);
    expect(granted(before.restart(), 2, { leadershipTransfer: true })).toBe(true);
  });

  test("is free when it has led for an election timeout itself, since it heard the one before it", () => {
    const member = new TestMember({ raft: lease });
    member.hear(heartbeat(1, 0));
    member.hear({ type: "TimeoutNowRequest", from: "b", to: "a", term: 1 });
    member.hear(vote(2, true));
    expect(member.node.role).toBe("leader");
    member.wait(100);
    expect(member.node.role).toBe("follower");
    expect(granted(member, 3)).toBe(true);
  });

  test("owes nothing at its very first start, when it has never entered a term", () => {
    expect(granted(new TestMember({ raft: lease }), 1)).toBe(true);
  });
});

test("a member that was away keeps asking for votes and gets none while the leader is heard", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [] }, { raft: lease });
  const old = cluster.elect("a");
  cluster.isLost = ({ from, to }) => [from, to].sort().join("") === "ac";
  cluster.restart("b");
  cluster.wait(500);
  expect(old.node).toMatchObject({ role: "leader", term: 1 });
});

test("of rounds that leave at almost the same time the first is noted, and old ones are forgotten", () => {
  const times = new RoundTimes(100, 5);
  expect(times.sentMs(1)).toBeUndefined();
  times.add(1, 0);
  times.add(2, 4);
  times.add(3, 8);
  expect([1, 2, 3, 4].map((round) => times.sentMs(round))).toEqual([0, 0, 8, 8]);
  times.add(4, 100);
  expect([1, 2, 3, 4].map((round) => times.sentMs(round))).toEqual([undefined, undefined, 8, 100]);
  times.clear();
  expect(times.sentMs(4)).toBeUndefined();
});

test("clocks that run apart by everything are refused", () => {
  for (const clockDriftMax of [-0.1, 1]) {
    expect(() => new TestMember({ raft: { lease: { clockDriftMax } } })).toThrow(/run apart/);
  }
});
