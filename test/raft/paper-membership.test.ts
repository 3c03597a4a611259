import { describe, expect, test } from "vitest";
import { isJoint } from "../../src/raft/configuration.ts";
import { append, appended, askVote, heartbeat, heartbeatAnswer, ofType, vote } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, TestMember, target, voters } from "./test-member.ts";

const three = { a: [], b: [], c: [] };
const at = (index: number, term: number) => ({ index, term });

/** A leader of "a" and "b" whose learner "d" has nothing yet; `kept` is not to be promoted by itself. */
function leaderWithLearner(kept = false): TestMember {
  const configuration = { ...voters("a", "b"), learners: ["d"], members: target("ab", "d", kept).members };
  const member = new TestMember({ configuration, raft: { promotionLagMax: 2 } });
  member.lead();
  member.hear(appended(1, 1));
  return member;
}

/** Proposes `count` commands, which "b" takes. */
function commit(member: TestMember, count: number): void {
  for (let i = 0; i < count; i++) member.node.propose([Uint8Array.of(i)], 0);
  member.drain();
  member.hear(appended(1, member.node.lastIndex));
}

describe("configurations in the log (thesis, section 4.1)", () => {
  test("a member uses the newest configuration of its log, committed or not", () => {
    const configuration = voters("a", "b", "c", "d");
    const member = new TestMember();
    const entry = { kind: "configuration", index: 1, term: 1, timeMs: 0, configuration } as const;
    member.hear(append(1, { entries: [entry] }));
    expect(member.node).toMatchObject({ commitIndex: 0, configurationAt: { index: 1, configuration } });
    member.wait(300);
    expect(ofType(member.drain(), "RequestVoteRequest")).toEqual([]);
    member.node.campaign();
    expect(ofType(member.drain(), "RequestVoteRequest").map(({ to }) => to)).toEqual(["b", "c", "d"]);
  });

  test("entries of a caller without a configuration of its own are taken, and votes given", () => {
    const member = new TestMember({ configuration: voters() });
    expect(member.hear(askVote(1, at(0, 0)))).toMatchObject([{ granted: true }]);
    expect(member.hear(append(1, { entries: entriesOf([1]) }))).toMatchObject([{ success: true, matchIndex: 1 }]);
  });
});

describe("catching new members up (thesis, section 4.2.1)", () => {
  test("a learner takes the log, and neither commits nor votes", () => {
    const member = leaderWithLearner(true);
    member.node.propose([Uint8Array.of(1)], 0);
    const to = ofType(member.drain(), "AppendEntriesRequest").map((message) => message.to);
    expect(to).toContain("b");
    member.hear(appended(1, 1, { from: "d" }));
    member.hear(appended(1, 2, { from: "d" }));
    expect(member.node.commitIndex).toBe(1);
    member.hear(appended(1, 2));
    expect(member.node.commitIndex).toBe(2);
  });

  test("a learner that hears nothing for two election timeouts follows nobody, and campaigns all the same not", () => {
    const configuration = { ...voters("b", "c"), learners: ["a"], members: target("bc", "a").members };
    const member = new TestMember({ configuration });
    member.hear(heartbeat(1, 0));
    expect(member.node.leaderId).toBe("b");
    member.node.readIndex(1, member.nowMs);
    member.wait(2 * member.options.electionTimeoutMs + 10);
    expect(member.node).toMatchObject({ leaderId: null, role: "follower", term: 1 });
    expect(member.reads).toContainEqual({ context: 1, index: null });
    expect(ofType(member.drain(), "RequestVoteRequest")).toEqual([]);
  });

  test("a learner is promoted after a round of entries that took less than an election timeout", () => {
    const member = leaderWithLearner();
    commit(member, 10);
    for (let i = 0; i < 15; i++) {
      member.wait(10);
      member.hear(heartbeatAnswer(1, 0));
    }
    // The first round ends late, with as many entries again to go.
    member.node.propose([Uint8Array.of(1)], 0);
    member.hear(appended(1, 12));
    member.hear(appended(1, 11, { from: "d" }));
    expect(member.node.configuration.voters).toEqual(["a", "b"]);
    // The second one ends soon.
    commit(member, 1);
    member.hear(appended(1, 12, { from: "d" }));
    expect(isJoint(member.node.configuration)).toBe(true);
    expect(member.node.configuration).toMatchObject({ voters: ["a", "b", "d"], learners: [] });
  });

  test("a learner that was slow to take everything is promoted when there is nothing left to take", () => {
    const member = leaderWithLearner();
    for (let i = 0; i < 15; i++) {
      member.wait(10);
      member.hear(heartbeatAnswer(1, 0));
    }
    member.hear(appended(1, 1, { from: "d" }));
    expect(member.node.configuration.voters).toEqual(["a", "b", "d"]);
  });

  test("a learner that is behind is not promoted, by itself or by hand", () => {
    const member = leaderWithLearner();
    commit(member, 10);
    expect(member.node.changeMembership(target("abd"))).toBe("LEARNER_NOT_READY");
    member.hear(appended(1, 1, { from: "d" }));
    member.hear(appended(1, 8, { from: "d" }));
    expect(member.node.configuration.learners).toEqual(["d"]);
    expect(member.node.changeMembership(target("abd"))).toBe("LEARNER_NOT_READY");
    member.hear(appended(1, 11, { from: "d" }));
    expect(member.node.configuration.learners).toEqual([]);
  });

  test("a learner that is to stay one is promoted by hand only, and while it is heard", () => {
    const member = leaderWithLearner(true);
    member.hear(appended(1, 1, { from: "d" }));
    for (let i = 0; i < 15; i++) {
      member.wait(10);
      member.hear(heartbeatAnswer(1, 0));
    }
    expect(member.node.configuration.learners).toEqual(["d"]);
    expect(member.node.changeMembership(target("abd"))).toBe("LEARNER_NOT_READY");
    member.hear(heartbeatAnswer(1, 0, { from: "d" }));
    expect(member.node.changeMembership(target("abd"))).toBe(2);
  });

  test("a voter that becomes a learner by a change stays one if it is kept", () => {
    const cluster = new TestCluster(three);
    const { node } = cluster.elect("a");
    node.changeMembership(target("ab", "c"));
    cluster.wait(300);
    expect(node.configuration).toMatchObject({ voters: ["a", "b"], learners: ["c"] });
    expect(cluster.terms("c")).toEqual(cluster.terms("a"));
  });
});

describe("removing the leader (thesis, section 4.2.2)", () => {
  test("a member that is in its newest configuration no more still gets it committed, and does not vote for itself", () => {
    const cluster = new TestCluster({ a: [], b: [] });
    cluster.elect("a").node.changeMembership(target("b"));
    // "a" alone has what ends the change; the log of "b" is shorter, so that nobody else can be elected.
    cluster.isLost = (message) =>
      message.type === "AppendEntriesRequest" && message.entries.some((entry) => entry.index === 3);
    cluster.settle();
    expect(cluster.member("a").node).toMatchObject({ isVoter: false, commitIndex: 2 });
    cluster.restart("a");
    cluster.isolate("a", "b");
    cluster.wait(500);
    expect(cluster.member("a").node).toMatchObject({ role: "preCandidate", term: 1 });
    cluster.heal();
    cluster.wait(600);
    expect(cluster.member("b").node).toMatchObject({ role: "leader", configuration: voters("b") });
    expect(cluster.member("a").node).toMatchObject({ role: "follower", isVoter: false });
  });

  test("once its removal is committed it campaigns no more", () => {
    const cluster = new TestCluster(three);
    cluster.elect("a").node.changeMembership(target("bc"));
    cluster.settle();
    const removed = cluster.member("a").node;
    const { preVotesStarted } = removed.elections;
    cluster.isolate("b", "c");
    cluster.wait(1000);
    expect(removed.elections).toMatchObject({ preVotesStarted });
  });
});

describe("arbitrary changes through joint consensus (thesis, section 4.3)", () => {
  const joint = { ...voters("a", "b", "c", "d", "e"), voters: ["a", "b", "c"], outgoingVoters: ["a", "d", "e"] };

  test.each([
    { from: ["b", "c"], elected: false },
    { from: ["d", "e"], elected: false },
    { from: ["b", "d"], elected: true },
  ])("votes of $from elect: $elected", ({ from, elected }) => {
    const member = new TestMember({ configuration: joint });
    member.node.campaign();
    for (const id of ["b", "d"]) member.hear(vote(1, true, { from: id, preVote: true }));
    for (const id of from) member.hear(vote(1, true, { from: id }));
    expect(member.node.role === "leader").toBe(elected);
  });

  test("entries are committed by both halves, those from before the change too", () => {
    const members = target("ade", "bc").members;
    const member = new TestMember({ configuration: { ...voters("a", "d", "e"), learners: ["b", "c"], members } });
    member.lead();
    for (const from of ["b", "c", "d"]) member.hear(appended(1, 1, { from }));
    member.node.propose([Uint8Array.of(1)], 0);
    member.node.changeMembership(target("abc"));
    member.drain();
    for (const from of ["b", "c"]) member.hear(appended(1, 3, { from }));
    expect(member.node.commitIndex).toBe(1);
    member.hear(appended(1, 2, { from: "d" }));
    expect(member.node.commitIndex).toBe(2);
  });

  test("three members give way to three others while commands go on", () => {
    const cluster = new TestCluster(three);
    for (const id of ["d", "e", "f"]) cluster.join(id);
    const { node } = cluster.elect("a");
    node.changeMembership(target("abc", "def"));
    cluster.wait(50);
    expect(node.changeMembership(target("def"))).toEqual(expect.any(Number));
    node.propose([Uint8Array.of(1)], 0);
    cluster.wait(50);
    const next = cluster.waitForNewLeader("a");
    expect(next.node.configuration).toMatchObject({ voters: ["d", "e", "f"], outgoingVoters: [] });
    for (const id of ["a", "b", "c"]) cluster.member(id).node.campaign();
    cluster.wait(1000);
    expect(next.node.role).toBe("leader");
    for (const id of ["d", "e", "f"]) expect(cluster.terms(id)).toEqual(cluster.terms("d"));
    expect(next.image.entries.some(({ kind }) => kind === "command")).toBe(true);
  });
});

describe("handing leadership over (thesis, section 3.10)", () => {
  test("no more proposals, the target's log brought up, a campaign at once, and the leader follows", () => {
    const cluster = new TestCluster({ a: [1], b: [1], c: [] });
    const { node } = cluster.elect("a");
    cluster.isolate("c");
    node.propose([Uint8Array.of(1)], 0);
    cluster.settle();
    cluster.heal();
    cluster.sent.length = 0;
    node.transferLeadership("c");
    expect(node.propose([Uint8Array.of(2)], 0)).toEqual({ type: "refused", reason: "TRANSFER_IN_PROGRESS" });
    cluster.wait(30);
    const toTarget = cluster.sent.filter(({ from, to }) => from === "a" && to === "c").map(({ type }) => type);
    expect(toTarget).toContain("AppendEntriesRequest");
    expect(toTarget.indexOf("TimeoutNowRequest")).toBeGreaterThan(toTarget.indexOf("AppendEntriesRequest"));
    expect(cluster.member("c").node).toMatchObject({ role: "leader", term: 3 });
    expect(node).toMatchObject({ role: "follower", leaderId: "c", term: 3 });
    expect(cluster.member("c").node.propose([Uint8Array.of(3)], 0).type).toBe("appended");
  });
});
