import { expect, test } from "vitest";
import { appended, ofType } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { TestMember, target, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const three = { a: [], b: [], c: [] };
const command = [Uint8Array.of(1)];

test("trap 54: a leader that has handed over confirms no read, though nobody has told it yet", () => {
  const cluster = new TestCluster(three);
  const old = cluster.elect("a");
  cluster.isLost = ({ to }) => to === "a";
  old.node.transferLeadership("b");
  cluster.settle();
  expect(cluster.member("b").node).toMatchObject({ role: "leader", term: 2 });
  expect(old.node.role).toBe("leader");
  old.node.readIndex(1, old.nowMs);
  cluster.settle();
  expect(old.reads).toEqual([]);
  cluster.heal();
  cluster.wait(50);
  expect(old.reads).toEqual([{ context: 1, index: null }]);
});

test("trap 56: a target that lags is caught up first, and proposals wait meanwhile", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isolate("b");
  node.propose(command, 0);
  cluster.settle();
  expect(node.transferLeadership("b")).toEqual({ target: "b" });
  cluster.wait(30);
  expect(ofType(cluster.sent, "TimeoutNowRequest")).toEqual([]);
  expect(node.propose(command, 0)).toEqual({ type: "refused", reason: "TRANSFER_IN_PROGRESS" });
  cluster.heal();
  cluster.wait(30);
  expect(ofType(cluster.sent, "TimeoutNowRequest")).toHaveLength(1);
  expect(cluster.member("b").node).toMatchObject({ role: "leader", term: 2 });
  expect(cluster.member("b").node.lastIndex).toBe(3);
  expect(node).toMatchObject({ role: "follower", leaderId: "b", transferring: false });
});

test("no change of membership begins while leadership is on its way, not even the promotion of a learner", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isolate("b");
  node.transferLeadership("b");
  expect(node.changeMembership(target("abc", "d"))).toBe("TRANSFER_IN_PROGRESS");
  expect(node.configurationAt.index).toBe(0);
  cluster.join("d");
  cluster.wait(100);
  expect(node.transferring).toBe(false);
  expect(node.changeMembership(target("abc", "d", false))).toBeTypeOf("number");
  node.transferLeadership("b");
  cluster.wait(50);
  expect(node.configuration.learners).toEqual(["d"]);
  cluster.wait(100);
  expect(node.configuration.voters).toContain("d");
});

test("trap 56: a transfer to a target that does not come is given up after an election timeout", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isolate("b");
  node.transferLeadership("b");
  cluster.wait(90);
  expect(node.transferring).toBe(true);
  expect(node.transferLeadership("c")).toBe("TRANSFER_IN_PROGRESS");
  cluster.wait(10);
  expect(node).toMatchObject({ role: "leader", transferring: false });
  expect(node.propose(command, 0).type).toBe("appended");
  expect(node.transferLeadership("c")).toEqual({ target: "c" });
});

test("trap 56: a target that was asked and does not win leaves the leader in place", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isLost = ({ type }) => type === "TimeoutNowRequest";
  node.transferLeadership("b");
  cluster.wait(100);
  expect(ofType(cluster.sent, "TimeoutNowRequest")).toHaveLength(1);
  expect(node).toMatchObject({ role: "leader", term: 1, transferring: false });
});

test("trap 57: the campaign of a transfer asks for no pre-vote and is not held up by stickiness", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.sent.length = 0;
  node.transferLeadership("b");
  cluster.settle();
  const requests = ofType(cluster.sent, "RequestVoteRequest");
  expect(requests.map(({ from, preVote, leadershipTransfer }) => [from, preVote, leadershipTransfer])).toEqual([
    ["b", false, true],
    ["b", false, true],
  ]);
  // Without a tick in between: c granted though it had just heard a.
  expect(cluster.member("b").node.role).toBe("leader");
});

test.each([
  { name: "of an earlier term", term: 4 },
  { name: "to a learner", term: 5, configuration: { ...voters("b", "c"), learners: ["a"] } },
])("a request to campaign at once $name changes nothing", ({ term, configuration = voters("a", "b", "c") }) => {
  const member = new TestMember({ hardState: { term: 5 }, configuration });
  expect(member.hear({ type: "TimeoutNowRequest", from: "b", to: "a", term })).toEqual([]);
  expect(member.node).toMatchObject({ role: "follower", term: 5 });
});

test("a repeated request to campaign at once begins one election", () => {
  const member = new TestMember({ hardState: { term: 5 } });
  const request = { type: "TimeoutNowRequest", from: "b", to: "a", term: 5 } as const;
  member.hear(request);
  member.hear(request);
  expect(member.node).toMatchObject({ role: "candidate", term: 6, elections: { votesStarted: 1 } });
});

test("leadership goes to voters only, and to the furthest that is heard when nobody is named", () => {
  const configuration = { ...voters("a", "b", "c"), learners: ["d"], members: target("abc", "d").members };
  const member = new TestMember({ configuration });
  expect(member.node.transferLeadership("b")).toBe("NOT_LEADER");
  member.lead();
  for (const id of ["a", "d", "z"]) expect(member.node.transferLeadership(id)).toBe("TARGET_NOT_VOTER");
  for (const [from, index] of [
    ["b", 0],
    ["c", 1],
    ["d", 1],
  ] as const) {
    member.hear(appended(1, index, { from }));
  }
  expect(member.node.transferLeadership(null)).toEqual({ target: "c" });
});

test("a leader that has heard nobody yet hands over to whom there is, and a lone one refuses", () => {
  const fresh = new TestMember();
  fresh.lead();
  expect(fresh.node.transferLeadership(null)).toEqual({ target: "b" });
  const lone = new TestMember({ configuration: voters("a") });
  lone.lead();
  expect(lone.node.transferLeadership(null)).toBe("TARGET_NOT_VOTER");
});

test("a furthest voter that is gone is not asked", () => {
  const member = new TestMember();
  member.lead();
  member.hear(appended(1, 1));
  for (let i = 0; i < 15; i++) {
    member.wait(10);
    member.hear(appended(1, 0, { from: "c" }));
  }
  expect(member.node.transferLeadership(null)).toEqual({ target: "c" });
});
