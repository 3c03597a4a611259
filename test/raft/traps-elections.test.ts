import { expect, test } from "vitest";
import type { Message } from "../../src/raft/message.ts";
import { append, askVote, heartbeat, heartbeatAnswer, ofType, refused, vote } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, TestMember, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const start = { index: 0, term: 0 };

test("trap 2: a vote leaves only when it is durable, and a crash before that forgets it on both sides", () => {
  const member = new TestMember();
  member.node.step(askVote(1, start), 0);
  const ready = member.turn();
  expect(ready.messages).toEqual([]);
  expect(ready.write).toMatchObject({ hardState: { term: 1, votedFor: "b" }, messages: [{ granted: true, to: "b" }] });
  expect(member.restart().hear(askVote(1, start, { from: "c" }))).toMatchObject([{ granted: true, to: "c" }]);
});

test("trap 3: term and vote are one record, written together", () => {
  const member = new TestMember({ hardState: { term: 4, votedFor: "c" } });
  member.node.step(askVote(5, start), 0);
  expect(member.turn().write?.hardState).toEqual({ term: 5, votedFor: "b", commitIndex: 0 });
});

test("trap 4: a term is durable no later than its first entry", () => {
  const member = new TestMember();
  member.node.step(append(3, { entries: entriesOf([3]) }), 0);
  expect(member.turn().write).toMatchObject({ hardState: { term: 3 }, entries: [{ term: 3 }] });
});

test("trap 5: a repeated vote request is not granted while the first grant is being written", () => {
  const member = new TestMember();
  member.node.step(askVote(1, start), 0);
  member.turn();
  member.node.step(askVote(1, start), 0);
  expect(member.turn().messages).toEqual([]);
  expect(member.finishWrite()).toMatchObject([{ granted: true }]);
  expect(member.drain()).toMatchObject([{ granted: true }]);
});

test("trap 6: a member that comes back from a partition does not depose a healthy leader", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [], d: [], e: [] });
  const { node } = cluster.elect("a");
  cluster.isolate("d", "e");
  cluster.wait(3000);
  cluster.heal();
  cluster.wait(500);
  expect(node).toMatchObject({ role: "leader", term: 1 });
});

test("trap 7: with a leader that reaches only part of the others, somebody leads a quorum and keeps leading", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [], d: [], e: [] });
  cluster.elect("a");
  // Only b still hears a and is heard by it; b, c, d and e hear one another.
  cluster.isLost = ({ from, to }) => (from === "a" && to !== "b") || (to === "a" && from !== "b");
  const leader = cluster.waitForNewLeader("a");
  const { term } = leader.node;
  cluster.wait(2000);
  expect(leader.node).toMatchObject({ role: "leader", term });
});

test("trap 8: a member of a higher term and with a shorter log finds its way back", () => {
  const cluster = new TestCluster({ a: [1, 1], b: [1, 1], c: [1] }, { hardState: { term: 1 } });
  cluster.isolate("c");
  cluster.elect("a");
  cluster.member("c").hear(vote(9, false, { to: "c", preVote: true }));
  expect(cluster.member("c").node.term).toBe(9);
  cluster.heal();
  cluster.wait(1000);
  const leader = cluster.waitForLeader();
  expect(["a", "b"]).toContain(leader.node.id);
  for (const { node } of cluster.members)
    expect(node).toMatchObject({ leaderId: leader.node.id, term: leader.node.term });
  expect(cluster.terms("c")).toEqual(cluster.terms(leader.node.id));
});

test("trap 9: a candidate adopts the higher term of a refused pre-vote, and can win from there", () => {
  const member = new TestMember({ terms: [1] });
  member.node.campaign();
  member.hear(vote(6, false, { preVote: true }));
  expect(member.node).toMatchObject({ role: "follower", term: 6 });
  member.lead();
  expect(member.node).toMatchObject({ role: "leader", term: 7 });
});

test.each(["candidate", "leader", "follower"])("trap 10: pre-votes that come late do nothing to a %s", (role) => {
  const member = new TestMember();
  member.node.campaign();
  member.hear(vote(1, true, { preVote: true }));
  if (role === "leader") member.hear(vote(1, true));
  if (role === "follower") member.hear(append(1, { from: "c" }));
  expect(member.hear(vote(1, true, { preVote: true, from: "c" }))).toEqual([]);
  expect(member.hear(vote(1, false, { preVote: true, from: "c" }))).toEqual([]);
  expect(member.node).toMatchObject({ role, term: 1 });
});

test("trap 11: a member of a version without pre-vote neither stops the others nor keeps them from leading", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [] });
  const { node } = cluster.elect("a");
  // As if c had never heard of it: it takes its own pre-votes for granted and asks nobody.
  const skipsPreVote = (message: Message): boolean => {
    if (message.type !== "RequestVoteRequest" || !message.preVote || message.from !== "c") return false;
    cluster.member("c").node.step(vote(message.term, true, { preVote: true, from: message.to, to: "c" }), 0);
    return true;
  };
  cluster.isLost = (message) => skipsPreVote(message) || [message.from, message.to].includes("c");
  cluster.wait(2000);
  expect(cluster.member("c").node.term).toBeGreaterThan(5);
  expect(node).toMatchObject({ role: "leader", term: 1 });
  cluster.isLost = skipsPreVote;
  cluster.wait(1000);
  const next = cluster.waitForLeader();
  const { term } = next.node;
  next.node.propose([Uint8Array.of(1)], 0);
  cluster.wait(2000);
  expect(cluster.members.map((member) => member.node.term)).toEqual([term, term, term]);
  expect(cluster.members.map((member) => member.node.commitIndex)).toEqual(Array(3).fill(next.node.lastIndex));
});

test("trap 12: only grants of this very election count, once for each voter", () => {
  const member = new TestMember({ configuration: voters("a", "b", "c", "d", "e"), terms: [1] });
  member.node.campaign();
  for (const from of ["b", "c"]) member.hear(vote(2, true, { from, preVote: true }));
  expect(member.node).toMatchObject({ role: "candidate", term: 2 });
  for (const late of [vote(1, true, { from: "c" }), vote(2, true, { from: "d", preVote: true })]) member.hear(late);
  for (let again = 0; again < 3; again++) member.hear(vote(2, true));
  member.hear(vote(2, true, { from: "stranger" }));
  expect(member.node.role).toBe("candidate");
  member.hear(vote(3, true, { from: "c" }));
  expect(member.node).toMatchObject({ role: "follower", term: 3, votedFor: null });
});

test("trap 12: a pre-vote granted for an earlier attempt does not count for the next", () => {
  const member = new TestMember({ terms: [1] });
  member.node.campaign();
  member.hear(vote(2, false, { preVote: true, from: "c" }));
  expect(member.node).toMatchObject({ role: "follower", term: 2 });
  member.node.campaign();
  member.hear(vote(2, true, { preVote: true }));
  expect(member.node).toMatchObject({ role: "preCandidate", term: 2 });
  member.hear(vote(3, true, { preVote: true }));
  expect(member.node).toMatchObject({ role: "candidate", term: 3 });
});

test("trap 13: a learner that is asked for a vote gives it", () => {
  const learner = { ...voters("a", "b", "c"), voters: ["b", "c"], learners: ["a"] };
  const member = new TestMember({ configuration: learner });
  expect(member.hear(askVote(1, start))).toMatchObject([{ granted: true }]);
  member.wait(1000);
  expect(member.node.elections.preVotesStarted).toBe(0);
});

test("trap 14: no campaign while a committed configuration is not applied", () => {
  const entry = { kind: "configuration", index: 1, term: 1, timeMs: 0, configuration: voters("a", "b") } as const;
  const member = new TestMember();
  member.node.step(append(1, { entries: [entry], commitIndex: 1 }), 0);
  member.turn();
  member.finishWrite();
  member.node.ready();
  member.node.campaign();
  expect(member.node).toMatchObject({ role: "follower", commitIndex: 1, appliedIndex: 0 });
  member.node.applied(1);
  member.node.campaign();
  expect(member.node.role).toBe("preCandidate");
});

test("trap 15: a lone voter with a slow disk runs one election, not one for each timeout", () => {
  const member = new TestMember({ configuration: voters("a") });
  member.node.campaign();
  member.turn();
  for (let nowMs = 10; nowMs <= 2000; nowMs += 10) {
    member.node.tick(nowMs);
    member.turn();
  }
  expect(member.node).toMatchObject({ role: "candidate", term: 1 });
  member.finishWrite();
  expect(member.node).toMatchObject({ role: "leader", term: 1 });
  expect(member.node.elections.votesStarted).toBe(1);
});

test.each([
  heartbeatAnswer(2, 0),
  refused(2, 0, start),
  vote(2, false),
  { type: "ReadIndexRequest", from: "b", to: "a", term: 2, id: 1 } as const,
])("trap 15: a leader steps down at a higher term in $type", (message) => {
  const member = new TestMember();
  member.lead();
  member.hear(message);
  expect(member.node).toMatchObject({ role: "follower", term: 2, leaderId: null });
});

test("trap 20: what a deposed leader hears of its old term changes nothing", () => {
  const member = new TestMember();
  member.lead();
  member.hear(heartbeat(3, 0));
  expect(member.hear(vote(1, true, { from: "c" }))).toEqual([]);
  expect(member.node).toMatchObject({ role: "follower", term: 3, leaderId: "b" });
});

test("trap 61: what a leader that stood still decides when it wakes is not committed once another leads", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [] });
  const old = cluster.elect("a");
  cluster.isolate("a");
  const next = cluster.elect("b");
  cluster.heal();
  // It did not run meanwhile: in its own eyes it leads.
  expect(old.node).toMatchObject({ role: "leader", term: 1 });
  expect(old.node.propose([Uint8Array.of(61)], 0)).toMatchObject({ type: "appended", firstIndex: 2, term: 1 });
  cluster.wait(200);
  expect(old.node).toMatchObject({ role: "follower", leaderId: next.node.id });
  for (const { image } of cluster.members) expect(image.entries).toEqual(next.image.entries);
  expect(next.image.entries.filter((entry) => entry.kind === "command")).toEqual([]);
});

test("trap 91: inputs in any number take effect in their order, within one turn", () => {
  const member = new TestMember();
  for (const from of ["b", "c"]) member.node.step(askVote(1, start, { from }), 0);
  const answers = ofType(member.drain(), "RequestVoteResponse");
  expect(answers.filter(({ granted }) => granted).map(({ to }) => to)).toEqual(["b"]);
});

test("trap 93: a process that stood still does not take the gap for silence of the leader", () => {
  const member = new TestMember();
  member.hear(heartbeat(1, 0));
  member.node.tick(60_000);
  expect(member.node).toMatchObject({ role: "follower", leaderId: "b" });
  member.node.tick(59_000);
  member.node.tick(60_010);
  expect(member.node.role).toBe("follower");
});
