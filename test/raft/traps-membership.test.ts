import { expect, test } from "vitest";
import { isJoint, votersOnly } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry, Entry } from "../../src/raft/entry.ts";
import type { Message } from "../../src/raft/message.ts";
import { appended, ofType } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { newcomer, TestMember, target, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const three = { a: [], b: [], c: [] };

function configurations(entries: readonly Entry[]): ConfigurationEntry[] {
  return entries.filter((entry) => entry.kind === "configuration");
}

function carries(message: Message, holds: (entry: ConfigurationEntry) => boolean): boolean {
  return message.type === "AppendEntriesRequest" && configurations(message.entries).some(holds);
}

const isLeave = ({ configuration }: ConfigurationEntry): boolean => !isJoint(configuration);

test("trap 13: a learner that was promoted without hearing of it gives the vote that is needed", () => {
  const configuration = { ...voters("a", "b"), learners: ["c"], members: target("ab", "c").members };
  const cluster = new TestCluster(three, { configuration });
  const { node } = cluster.elect("a");
  cluster.isLost = ({ to }) => to === "c";
  expect(node.changeMembership(target("abc"))).toBe(2);
  cluster.settle();
  expect(node.configuration.voters).toEqual(["a", "b", "c"]);
  expect(cluster.member("c").node.isVoter).toBe(false);
  cluster.isolate("a");
  expect(cluster.waitForNewLeader("a").node.id).toBe("b");
  expect(cluster.member("c").node.isVoter).toBe(true);
});

test("trap 36: no change before an entry of the leader's own term is committed", () => {
  const member = new TestMember({ terms: [1] });
  member.lead();
  expect(member.node.changeMembership(target("abcd"))).toBe("CONFIG_CHANGE_IN_PROGRESS");
  expect(configurations(member.image.entries)).toEqual([]);
  for (const from of ["b", "c"]) member.hear(appended(2, 2, { from }));
  expect(member.node.changeMembership(target("abcd"))).toBe(3);
});

test("trap 36: two leaders of different terms that each begin a change do not decide apart", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [], d: [] });
  cluster.join("e");
  const old = cluster.elect("a").node;
  cluster.isLost = ({ from, to }) => [from, to].some((id) => id === "a") && ![from, to].includes("e");
  expect(old.changeMembership(target("abcde"))).toBe(2);
  cluster.settle();
  const next = cluster.waitForNewLeader("a").node;
  expect(next.changeMembership(target("bcd"))).toEqual(expect.any(Number));
  cluster.settle();
  expect(next.configuration.voters).toEqual(["b", "c", "d"]);
  // The old leader and its new member are two of five, and half of the four of before.
  expect(old).toMatchObject({ commitIndex: 1 });
  cluster.heal();
  cluster.wait(1000);
  expect(cluster.members.filter(({ node }) => node.role === "leader")).toHaveLength(1);
  expect(cluster.waitForLeader().node.configuration.voters).toEqual(["b", "c", "d"]);
});

test("trap 37: one change at a time, until its last entry is committed", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isLost = (message) => message.to === "a";
  expect(node.changeMembership(target("ab"))).toBe(2);
  expect(node.changeMembership(target("ac"))).toBe("CONFIG_CHANGE_IN_PROGRESS");
  cluster.settle();
  // Now the joint configuration gets committed, and what ends it does not.
  cluster.isLost = (message) => carries(message, isLeave);
  cluster.wait(50);
  expect(isJoint(node.configuration)).toBe(false);
  expect(node.configurationAt.index).toBeGreaterThan(node.commitIndex);
  expect(node.changeMembership(target("ac"))).toBe("CONFIG_CHANGE_IN_PROGRESS");
  cluster.heal();
  cluster.wait(50);
  expect(node.changeMembership(target("a"))).toEqual(expect.any(Number));
  cluster.settle();
  expect(node.configuration).toEqual(voters("a"));
});

test("a change of what its caller has not seen is refused", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  expect(node.changeMembership(target("ab"), 1)).toBe("CONFIGURATION_CHANGED");
  expect(node.changeMembership(target("ab"), 0)).toBe(2);
  cluster.settle();
  expect(node.changeMembership(target("abc"), 0)).toBe("CONFIGURATION_CHANGED");
  expect(node.changeMembership(target("abc"), 3)).toBe(4);
});

test("trap 38: a configuration that another leader truncates is out of force everywhere", () => {
  const cluster = new TestCluster(three);
  cluster.join("d");
  const old = cluster.elect("a").node;
  // Only the new member hears of its configuration.
  cluster.isLost = ({ from, to }) => ["a", "d"].includes(from) !== ["a", "d"].includes(to);
  expect(old.changeMembership(target("abcd"))).toBe(2);
  cluster.wait(50);
  expect(cluster.member("d").node.isVoter).toBe(true);
  // What may be truncated is not what the members are told to be: the next leader's change could have the same index.
  expect(old.configurationAt.index).toBe(2);
  expect(old.committedConfigurationAt.index).toBe(0);
  const next = cluster.waitForNewLeader("a").node;
  cluster.isLost = ({ from, to }) => [from, to].includes("d");
  cluster.wait(300);
  expect(old).toMatchObject({ role: "follower", leaderId: next.id });
  expect(old.configurationAt).toEqual({ index: 0, configuration: voters("a", "b", "c") });
  // Restarted from its disk it finds the same.
  expect(cluster.restart("a").node.configurationAt.index).toBe(0);
  // The newcomer alone believes in a change that never was; nobody follows it.
  cluster.heal();
  cluster.wait(1000);
  expect(cluster.waitForLeader().node.configuration).toEqual(voters("a", "b", "c"));
});

test("trap 41: a member of the outgoing half only has its say until the joint configuration is left", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [], d: [] }, { configuration: voters("a", "b", "c") });
  const { node } = cluster.elect("a");
  cluster.isLost = ({ from, to }) => [from, to].includes("b") || [from, to].includes("c");
  expect(node.changeMembership(target("abd"))).toBe(2);
  cluster.wait(20);
  expect(node.commitIndex).toBe(1);
  // With c, in the outgoing half only, a is a majority of {a, b, c}; with d it is one of {a, b, d}.
  cluster.isLost = ({ from, to }) => [from, to].includes("b");
  cluster.wait(20);
  expect(cluster.member("c").node.lastIndex).toBe(3);
  expect(node.configuration).toEqual(votersOnly(target("abd").members));
  expect(node.commitIndex).toBe(3);
});

test("trap 42: a joint configuration is left once, however often the leader takes its turn", () => {
  const cluster = new TestCluster(three);
  const member = cluster.elect("a");
  cluster.isLost = (message) => carries(message, isLeave);
  member.node.changeMembership(target("ab"));
  cluster.wait(80);
  expect(configurations(member.image.entries).map(isLeave)).toEqual([false, true]);
  cluster.heal();
  cluster.wait(300);
  expect(configurations(member.image.entries)).toHaveLength(2);
});

test("trap 42: the next leader ends the change that a lost one began", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [], d: [], e: [] });
  cluster.elect("a").node.changeMembership(target("abcd"));
  cluster.isLost = (message) => carries(message, isLeave);
  cluster.settle();
  expect(isJoint(cluster.member("b").node.configuration)).toBe(true);
  cluster.isolate("a");
  const next = cluster.elect("b");
  expect(next.node.configuration.outgoingVoters).toEqual([]);
  expect(configurations(next.image.entries).map(({ term, configuration }) => [term, isJoint(configuration)])).toEqual([
    [1, true],
    [2, false],
  ]);
  cluster.heal();
  cluster.wait(300);
  expect(cluster.terms("a")).toEqual(cluster.terms("b"));
});

test("trap 43: a leader that removes itself does not count, goes when that is committed, and another leads at once", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isLost = (message) => message.to === "c" && carries(message, isLeave);
  expect(node.changeMembership(target("bc"))).toBe(2);
  cluster.settle();
  // It has what ends the change, and so has b: a majority of {a, b, c}, but only half of {b, c}.
  expect(node).toMatchObject({ role: "leader", commitIndex: 2, lastIndex: 3 });
  expect(node.propose([Uint8Array.of(1)], 0)).toMatchObject({ type: "appended" });
  cluster.heal();
  cluster.sent.length = 0;
  cluster.wait(10);
  expect(node).toMatchObject({ role: "follower", leaderId: null });
  // Asked to, and so without the wait for an election timeout.
  expect(ofType(cluster.sent, "TimeoutNowRequest")).toHaveLength(1);
  const next = cluster.members.find((member) => member.node.role === "leader")?.node;
  expect(next?.id).not.toBe("a");
  cluster.wait(2000);
  expect(next).toMatchObject({ role: "leader", term: 2 });
  expect(node).toMatchObject({ role: "follower", leaderId: null });
});

test("trap 44: a member that missed its own removal deposes nobody", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.isolate("c");
  node.changeMembership(target("ab"));
  cluster.settle();
  expect(node.configuration).toEqual(voters("a", "b"));
  cluster.heal();
  cluster.wait(3000);
  const removed = cluster.member("c").node;
  expect(removed.isVoter).toBe(true);
  expect(removed.elections).toMatchObject({ votesStarted: 0 });
  expect(removed.elections.preVotesStarted).toBeGreaterThan(5);
  expect(node).toMatchObject({ role: "leader", term: 1 });
  // Not even while nobody leads.
  cluster.isolate("a");
  cluster.wait(1000);
  expect(removed).toMatchObject({ role: expect.not.stringMatching("leader"), term: 1 });
});

test("trap 44: a member that is told of its removal never campaigns again", () => {
  const cluster = new TestCluster(three);
  cluster.elect("a").node.changeMembership(target("ab"));
  cluster.settle();
  const removed = cluster.member("c").node;
  expect(removed).toMatchObject({ isVoter: false, commitIndex: 3 });
  const { preVotesStarted } = removed.elections;
  cluster.wait(2000);
  removed.campaign();
  expect(removed).toMatchObject({ role: "follower", elections: { preVotesStarted } });
});

test("trap 45: a member that lost its data is replaced under a new id in one change, and without its help", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.join("d");
  cluster.isolate("c");
  cluster.wait(500);
  expect(node.changeMembership(target("ab", "d", false))).toEqual(expect.any(Number));
  cluster.wait(200);
  expect(node.configuration).toEqual(voters("a", "b", "d"));
  expect(cluster.terms("d")).toEqual(cluster.terms("a"));
});

test("trap 45: a change may drop a member that is gone, and not one whose going would cost the quorum", () => {
  const cluster = new TestCluster(three);
  const { node } = cluster.elect("a");
  cluster.join("d");
  cluster.isolate("c");
  cluster.wait(500);
  expect(node.changeMembership(target("ac"))).toBe("QUORUM_AT_RISK");
  expect(node.changeMembership(target("bcdef"))).toBe("QUORUM_AT_RISK");
  expect(node.changeMembership(target("abd"))).toEqual(expect.any(Number));
  cluster.wait(50);
  expect(node.configuration).toEqual(voters("a", "b", "d"));
  expect(node.changeMembership(target("ab"))).toEqual(expect.any(Number));
  cluster.wait(50);
  expect(node.configuration).toEqual(voters("a", "b"));
});

test("a newcomer that nobody has spoken to waits", () => {
  const member = new TestMember({ configuration: newcomer });
  member.wait(2000);
  member.node.campaign();
  expect(member.node).toMatchObject({ role: "follower", term: 0, configuration: newcomer });
});
