import { describe, expect, test } from "vitest";
import { append, askVote, heartbeat, heartbeatAnswer, ofType, vote } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, TestMember, voters } from "./test-member.ts";

const start = { index: 0, term: 0 };
const five = voters("a", "b", "c", "d", "e");

describe("terms (Raft paper, section 5.1)", () => {
  test.each(["follower", "preCandidate", "candidate", "leader"] as const)(
    "a %s of an older term becomes follower",
    (role) => {
      const member = new TestMember({ terms: [1] });
      if (role === "leader") member.lead();
      if (role === "preCandidate" || role === "candidate") member.node.campaign();
      if (role === "candidate") member.hear(vote(2, true, { preVote: true }));
      expect(member.node.role).toBe(role);
      member.hear(append(7));
      expect(member.node).toMatchObject({ role: "follower", term: 7, leaderId: "b" });
    },
  );

  test("a request of an older term changes nothing and is answered with the present term", () => {
    const member = new TestMember({ terms: [1], hardState: { term: 5 } });
    expect(member.hear(append(4, { entries: entriesOf([4]) }))).toMatchObject([{ type: "HeartbeatResponse", term: 5 }]);
    expect(member.hear(heartbeat(4, 1))).toMatchObject([{ type: "HeartbeatResponse", term: 5 }]);
    expect(member.hear(askVote(4, { index: 9, term: 4 }))).toMatchObject([{ granted: false, term: 5 }]);
    expect(member.image.entries).toEqual(entriesOf([1]));
    expect(member.node.leaderId).toBeNull();
  });

  test("a new term takes the vote back", () => {
    const member = new TestMember({ hardState: { term: 1, votedFor: "c" } });
    member.hear(append(2));
    expect(member.image.hardState).toMatchObject({ term: 2, votedFor: null });
  });
});

describe("elections (Raft paper, section 5.2)", () => {
  test("everybody starts as follower, and stays one while a leader is heard", () => {
    const member = new TestMember();
    for (let beat = 0; beat < 100; beat++) {
      member.wait(50);
      member.hear(heartbeat(1, 0));
    }
    expect(member.node).toMatchObject({ role: "follower", term: 1, leaderId: "b" });
    expect(member.node.elections.preVotesStarted).toBe(0);
  });

  test("a follower that hears nothing campaigns between one and two election timeouts later", () => {
    const waits = new Set<number>();
    for (let seed = 1; seed <= 200; seed++) {
      const member = new TestMember({ seed });
      member.wait(10);
      let waitedMs = 0;
      while (member.node.role === "follower") {
        member.wait(10);
        waitedMs += 10;
      }
      expect(waitedMs).toBeGreaterThanOrEqual(100);
      expect(waitedMs).toBeLessThanOrEqual(210);
      waits.add(waitedMs);
    }
    // Randomness keeps votes from splitting for ever: every length occurs.
    expect(waits.size).toBeGreaterThanOrEqual(10);
  });

  test("each wait is drawn anew", () => {
    const member = new TestMember();
    const lengths = new Set<number>();
    let sinceMs = member.nowMs;
    for (let started = 0; started < 30; ) {
      member.wait(10);
      if (member.node.elections.preVotesStarted === started) continue;
      started = member.node.elections.preVotesStarted;
      lengths.add(member.nowMs - sinceMs);
      sinceMs = member.nowMs;
    }
    expect(lengths.size).toBeGreaterThan(5);
  });

  test("a candidate enters the next term, votes for itself, and asks all others at once", () => {
    const member = new TestMember({ configuration: five, terms: [1, 2] });
    member.node.campaign();
    member.drain();
    member.node.step(vote(3, true, { preVote: true }), 0);
    const requests = member.hear(vote(3, true, { preVote: true, from: "c" }));
    expect(member.image.hardState).toMatchObject({ term: 3, votedFor: "a" });
    expect(requests.map(({ to }) => to)).toEqual(["b", "c", "d", "e"]);
    for (const request of requests) {
      expect(request).toMatchObject({ term: 3, lastLogIndex: 2, lastLogTerm: 2, preVote: false });
    }
  });

  test.each([
    { granted: [], refused: [], role: "candidate" },
    { granted: ["b"], refused: [], role: "candidate" },
    { granted: ["b", "c"], refused: [], role: "leader" },
    { granted: ["b", "c"], refused: ["d", "e"], role: "leader" },
    { granted: ["b"], refused: ["c", "d"], role: "candidate" },
    { granted: [], refused: ["b", "c", "d"], role: "follower" },
  ])("of five, granted by $granted and refused by $refused: $role", ({ granted, refused, role }) => {
    const member = new TestMember({ configuration: five });
    member.node.campaign();
    for (const from of ["b", "c"]) member.hear(vote(1, true, { from, preVote: true }));
    for (const from of granted) member.hear(vote(1, true, { from }));
    for (const from of refused) member.hear(vote(1, false, { from }));
    expect(member.node).toMatchObject({ role, term: 1 });
  });

  test("one vote a term, first come first served; the same candidate is answered again", () => {
    const member = new TestMember();
    expect(member.hear(askVote(1, start))).toMatchObject([{ to: "b", granted: true, term: 1 }]);
    expect(member.hear(askVote(1, start, { from: "c" }))).toMatchObject([{ to: "c", granted: false }]);
    expect(member.hear(askVote(1, start))).toMatchObject([{ to: "b", granted: true }]);
    expect(member.image.hardState).toMatchObject({ term: 1, votedFor: "b" });
  });

  test("a vote survives a restart", () => {
    const member = new TestMember();
    member.hear(askVote(1, start));
    const again = member.restart();
    expect(again.hear(askVote(1, start, { from: "c" }))).toMatchObject([{ granted: false, term: 1 }]);
    expect(again.hear(askVote(1, start))).toMatchObject([{ granted: true, term: 1 }]);
  });

  test("a candidate that hears the leader of its term follows it", () => {
    const member = new TestMember();
    member.node.campaign();
    member.hear(vote(1, true, { preVote: true }));
    expect(member.node.role).toBe("candidate");
    member.hear(append(1, { from: "c" }));
    expect(member.node).toMatchObject({ role: "follower", term: 1, leaderId: "c", votedFor: "a" });
  });

  test("a split vote is resolved by another election", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [], d: [] });
    cluster.isLost = ({ type }) => type === "RequestVoteResponse";
    for (const id of ["a", "b"]) cluster.member(id).node.campaign();
    cluster.settle();
    expect(cluster.members.every(({ node }) => node.role !== "leader")).toBe(true);
    cluster.heal();
    expect(cluster.waitForLeader().node.term).toBeGreaterThanOrEqual(1);
  });

  test("a leader heartbeats at the interval", () => {
    const member = new TestMember();
    member.lead();
    for (let beat = 0; beat < 5; beat++) {
      expect(ofType(member.wait(10), "HeartbeatRequest").map(({ to }) => to)).toEqual(["b", "c"]);
    }
  });
});

describe("who may win (Raft paper, section 5.4.1)", () => {
  test.each([
    { mine: [1], last: { index: 1, term: 1 }, granted: true },
    { mine: [1], last: { index: 2, term: 1 }, granted: true },
    { mine: [1, 1], last: { index: 1, term: 1 }, granted: false },
    { mine: [1, 1], last: { index: 1, term: 2 }, granted: true },
    { mine: [2], last: { index: 9, term: 1 }, granted: false },
    { mine: [1, 2], last: { index: 1, term: 2 }, granted: false },
    { mine: [], last: { index: 0, term: 0 }, granted: true },
  ])("with a log of terms $mine, a log that ends at $last: $granted", ({ mine, last, granted }) => {
    for (const preVote of [false, true]) {
      const member = new TestMember({ terms: mine });
      expect(member.hear(askVote(5, last, { preVote }))).toMatchObject([{ granted, preVote }]);
    }
  });
});

describe("PreVote (thesis, section 9.6)", () => {
  test("neither asking nor answering changes a term or a vote", () => {
    const asking = new TestMember({ terms: [1] });
    asking.node.campaign();
    expect(asking.drain()).toMatchObject([
      { preVote: true, term: 2 },
      { preVote: true, term: 2 },
    ]);
    const asked = new TestMember({ terms: [1] });
    expect(asked.hear(askVote(2, { index: 1, term: 1 }, { preVote: true }))).toMatchObject([
      { granted: true, term: 2 },
    ]);
    expect(asked.hear(askVote(2, { index: 1, term: 1 }, { preVote: true, from: "c" }))).toMatchObject([
      { granted: true },
    ]);
    for (const { image } of [asking, asked]) expect(image.hardState).toMatchObject({ term: 1, votedFor: null });
  });

  test("a member that is cut off keeps its term, and does not disturb when it comes back", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    cluster.isolate("c");
    cluster.wait(2000);
    expect(cluster.member("c").node).toMatchObject({ role: "preCandidate", term: node.term });
    cluster.heal();
    cluster.wait(300);
    expect(node).toMatchObject({ role: "leader", term: 1 });
    expect(cluster.member("c").node).toMatchObject({ role: "follower", term: 1, leaderId: "a" });
  });

  test("a quorum of refusals ends the attempt without a new term", () => {
    const member = new TestMember({ terms: [1] });
    member.node.campaign();
    for (const from of ["b", "c"]) member.hear(vote(1, false, { from, preVote: true }));
    expect(member.node).toMatchObject({ role: "follower", term: 1 });
  });
});

describe("leader stickiness (thesis, section 4.2.3)", () => {
  test("while a leader is heard, nobody's election gets an answer, whatever its term", () => {
    const member = new TestMember({ terms: [1] });
    member.hear(heartbeat(1, 0));
    member.wait(90);
    for (const preVote of [true, false]) {
      expect(member.hear(askVote(9, { index: 9, term: 8 }, { from: "c", preVote }))).toEqual([]);
    }
    expect(member.node).toMatchObject({ term: 1, leaderId: "b" });
  });

  test("an election timeout after the leader was last heard, an election is answered", () => {
    const member = new TestMember({ terms: [1], seed: 5 });
    member.hear(heartbeat(1, 0));
    member.wait(100);
    expect(member.node.role).toBe("follower");
    expect(member.hear(askVote(9, { index: 9, term: 8 }, { from: "c" }))).toMatchObject([{ granted: true, term: 9 }]);
  });

  test("a leader sticks to itself", () => {
    const member = new TestMember();
    member.lead();
    expect(member.hear(askVote(9, { index: 9, term: 8 }))).toEqual([]);
    expect(member.node).toMatchObject({ role: "leader", term: 1 });
  });

  test("an election that the leader asked for is answered all the same (thesis, section 3.10)", () => {
    const member = new TestMember({ terms: [1] });
    member.hear(heartbeat(1, 0));
    const asked = askVote(2, { index: 1, term: 1 }, { from: "c", leadershipTransfer: true });
    expect(member.hear(asked)).toMatchObject([{ granted: true, term: 2 }]);
  });
});

describe("CheckQuorum (thesis, section 6.2)", () => {
  test("a leader that no quorum answers steps down within two election timeouts, and keeps its term", () => {
    const member = new TestMember({ configuration: five });
    member.lead();
    member.hear(heartbeatAnswer(1, 1));
    member.wait(200);
    expect(member.node).toMatchObject({ role: "follower", term: 1, leaderId: null });
  });

  test("a leader that a quorum answers stays", () => {
    const member = new TestMember({ configuration: five });
    member.lead();
    for (let beat = 0; beat < 50; beat++) {
      member.wait(50);
      for (const from of ["b", "d"]) member.hear(heartbeatAnswer(1, 1, { from }));
    }
    expect(member.node).toMatchObject({ role: "leader", term: 1 });
  });

  test("with a leader that cannot be heard, the others elect one of theirs", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [], d: [], e: [] });
    const old = cluster.elect("a");
    cluster.isLost = ({ from }) => from === "a";
    cluster.wait(1000);
    expect(old.node.role).not.toBe("leader");
    expect(cluster.waitForLeader().node.id).not.toBe("a");
  });
});
