import { expect, test } from "vitest";
import { append, appended, askVote, heartbeat, heartbeatAnswer, ofType, refused } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, TestMember, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const command = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const at = (index: number, term: number) => ({ index, term });

/** A leader of term 1 whose no-op is committed and known to "b" and "c". */
function leader(raft: ConstructorParameters<typeof TestMember>[0] = {}): TestMember {
  const member = new TestMember(raft);
  member.lead();
  for (const from of ["b", "c"]) member.hear(appended(1, 1, { from }));
  return member;
}

test("trap 1: entries of an earlier term are committed through one of the own term", () => {
  const member = new TestMember({ terms: [1, 2, 2] });
  member.lead();
  for (const from of ["b", "c"]) member.hear(appended(3, 3, { from }));
  expect(member.applied).toEqual([]);
  member.hear(appended(3, 4));
  expect(member.applied).toEqual([1, 2, 3, 4]);
});

test("trap 17: a restarted member takes part with what it knows to be committed, and no more", () => {
  const member = new TestMember({ terms: [1, 1, 1], hardState: { term: 1, commitIndex: 2 } });
  expect(member.node).toMatchObject({ commitIndex: 2, appliedIndex: 0, role: "follower" });
  member.drain();
  expect(member.applied).toEqual([1, 2]);
  member.lead();
  expect(member.node.hasCommittedInTerm).toBe(false);
});

test.each([
  { name: "repeated", message: append(1, { entries: entriesOf([1, 1]) }) },
  { name: "overtaken", message: append(1, { prev: at(1, 1), entries: entriesOf([1], 2) }) },
  { name: "empty", message: append(1, { prev: at(1, 1) }) },
])("trap 18: an append that was $name does not shorten a longer log", ({ message }) => {
  const member = new TestMember({ terms: [1, 1, 1, 1] });
  const { prevLogIndex, entries } = message;
  expect(member.hear(message)).toMatchObject([{ success: true, matchIndex: prevLogIndex + entries.length }]);
  expect(member.image.entries).toEqual(entriesOf([1, 1, 1, 1]));
});

test("trap 19: commit and match reach no further than the message, though the log is longer", () => {
  const member = new TestMember({ terms: [1, 1, 2, 2] });
  const answer = member.hear(append(3, { prev: at(1, 1), entries: entriesOf([1], 2), commitIndex: 4 }));
  expect(answer).toMatchObject([{ success: true, matchIndex: 2 }]);
  expect(member.node.commitIndex).toBe(2);
});

test("trap 19: a heartbeat's commit index is no higher than what its receiver is known to have", () => {
  const member = leader();
  member.node.propose([command(1), command(2)], 0);
  member.drain();
  const beats = ofType(member.hear(appended(1, 3)), "HeartbeatRequest").concat(
    ofType(member.wait(10), "HeartbeatRequest"),
  );
  expect(member.node.commitIndex).toBe(3);
  expect(Math.max(...beats.filter(({ to }) => to === "c").map(({ commitIndex }) => commitIndex))).toBe(1);
  expect(beats.find(({ to }) => to === "b")?.commitIndex).toBe(3);
});

test("trap 20: late acknowledgements and refusals do not move match back", () => {
  const member = leader();
  member.node.propose([command(1), command(2)], 0);
  member.drain();
  member.hear(appended(1, 3));
  for (const late of [appended(1, 1), refused(1, 1, at(0, 0)), refused(1, 3, at(0, 0)), refused(1, 2, at(1, 1))]) {
    member.hear(late);
    expect(member.node.progress.get("b")).toMatchObject({ matchIndex: 3, nextIndex: 4 });
  }
});

test("trap 21: a message about the time before the log has term 0 at index 0 only", () => {
  const member = new TestMember({ terms: [1, 2] });
  member.lead();
  const [first] = ofType(member.hear(refused(3, 2, at(0, 0))), "AppendEntriesRequest");
  expect(first).toMatchObject({ prevLogIndex: 0, prevLogTerm: 0, entries: [] });
  const [all] = ofType(member.hear(appended(3, 0)), "AppendEntriesRequest");
  expect(all).toMatchObject({ prevLogIndex: 0, prevLogTerm: 0, entries: [{ index: 1 }, { index: 2 }] });
});

test("trap 24: the commit index is the quorum's, whatever the order in which answers come", () => {
  for (const order of ["bcde", "edcb", "cebd", "dbec"]) {
    const member = new TestMember({ configuration: voters("a", "b", "c", "d", "e") });
    member.lead();
    member.node.propose(
      [1, 2, 3, 4].map((byte) => command(byte)),
      0,
    );
    member.drain();
    const match = { b: 2, c: 3, d: 4, e: 5 };
    for (const from of order) member.hear(appended(1, match[from as keyof typeof match], { from }));
    expect(member.node.commitIndex).toBe(4);
  }
});

test("trap 25: the bytes of proposals come back when they are committed, and when leadership is lost", () => {
  const member = leader({ raft: { uncommittedBytesMax: 100 } });
  for (let round = 0; round < 50; round++) {
    expect(member.node.propose([new Uint8Array(80)], 0).type).toBe("appended");
    expect(member.node.propose([command(1)], 0)).toEqual({ type: "refused", reason: "OVERLOADED" });
    member.drain();
    member.hear(appended(1, member.node.lastIndex));
    expect(member.node.uncommittedBytes).toBe(0);
  }
  member.node.propose([command(1)], 0);
  member.hear(heartbeat(2, 0));
  expect(member.node.uncommittedBytes).toBe(0);
});

test("trap 26: a peer whose window is full of lost messages is found out and served", () => {
  const member = leader({ raft: { appendBytesMax: 1, inflight: { messages: 2, bytes: 1 << 20 } } });
  member.node.propose(
    [1, 2, 3].map((byte) => command(byte)),
    0,
  );
  member.drain();
  expect(member.node.progress.get("b")?.inflights.full).toBe(true);
  member.wait(10);
  const [question] = ofType(member.hear(heartbeatAnswer(1, 1)), "AppendEntriesRequest");
  expect(question).toMatchObject({ prevLogIndex: 3, entries: [] });
  const [again] = ofType(member.hear(refused(1, 3, at(1, 1))), "AppendEntriesRequest");
  expect(again).toMatchObject({ prevLogIndex: 1, entries: [] });
  const [served] = ofType(member.hear(appended(1, 1)), "AppendEntriesRequest");
  expect(served).toMatchObject({ prevLogIndex: 1, entries: [{ index: 2 }] });
  member.hear(appended(1, 2));
  expect(member.node.progress.get("b")?.state).toBe("replicate");
});

test("answers to the heartbeats of reads are no reason to send entries again", () => {
  const member = leader();
  member.node.unreachable("b");
  member.node.propose([command(1)], 0);
  member.drain();
  member.node.propose([command(2)], 0);
  member.drain();
  for (let read = 0; read < 10; read++) {
    member.node.readIndex(read, member.nowMs);
    const round = ofType(member.drain(), "HeartbeatRequest").at(-1)?.round ?? 0;
    expect(ofType(member.hear(heartbeatAnswer(1, round)), "AppendEntriesRequest")).toEqual([]);
    expect(ofType(member.hear(heartbeatAnswer(1, round, { from: "c" })), "AppendEntriesRequest")).toEqual([]);
  }
  expect(member.reads).toHaveLength(10);
});

test("trap 26: a peer reported unreachable is probed with one message at a time", () => {
  const member = leader();
  member.node.unreachable("b");
  for (const byte of [1, 2, 3]) member.node.propose([command(byte)], 0);
  const probes = ofType(member.drain(), "AppendEntriesRequest").filter(({ to }) => to === "b");
  expect(probes).toHaveLength(1);
  member.hear(appended(1, 4));
  expect(member.node.progress.get("b")?.state).toBe("replicate");
});

test("a probe brings no entries, so that asking again while they are written sends none twice", () => {
  const member = leader();
  member.node.unreachable("b");
  for (const byte of [1, 2, 3]) member.node.propose([command(byte)], 0);
  for (let check = 0; check < 3; check++) {
    const probes = ofType(member.drain(), "AppendEntriesRequest").filter(({ to }) => to === "b");
    expect(probes.flatMap(({ entries }) => entries)).toEqual([]);
    member.wait(10);
    member.hear(heartbeatAnswer(1, 1));
  }
  const sent = ofType(member.hear(appended(1, 1)), "AppendEntriesRequest").filter(({ to }) => to === "b");
  expect(sent.flatMap(({ entries }) => entries).map(({ index }) => index)).toEqual([2, 3, 4]);
});

test("trap 27: the commit index never runs back, over turns or over a restart", () => {
  const member = new TestMember({ terms: [1, 1, 1] });
  member.hear(append(1, { prev: at(3, 1), commitIndex: 3 }));
  member.hear(append(1, { prev: at(3, 1), commitIndex: 1 }));
  member.hear(heartbeat(1, 0));
  expect(member.node.commitIndex).toBe(3);
  member.hear(append(2, { prev: at(3, 1), entries: entriesOf([2], 4), commitIndex: 3 }));
  expect(member.image.hardState.commitIndex).toBe(3);
  expect(member.restart().node.commitIndex).toBe(3);
});

test("traps 37 and 38: a configuration is in force from its append, and goes with its entry", () => {
  const entry = { kind: "configuration", index: 2, term: 1, timeMs: 0, configuration: voters("a", "b") } as const;
  const member = new TestMember({ terms: [1] });
  member.hear(append(1, { prev: at(1, 1), entries: [entry] }));
  expect(member.node.configurationAt).toMatchObject({ index: 2, configuration: { voters: ["a", "b"] } });
  expect(member.restart().node.configuration.voters).toEqual(["a", "b"]);
  member.hear(append(2, { from: "c", prev: at(1, 1), entries: entriesOf([2], 2) }));
  expect(member.node.configurationAt).toMatchObject({ index: 0, configuration: { voters: ["a", "b", "c"] } });
  expect(member.restart().node.configuration.voters).toEqual(["a", "b", "c"]);
});

test("trap 16: a member with the shorter log does not keep the better one from winning", () => {
  const cluster = new TestCluster({ a: [1, 1, 1], b: [1], c: [1] }, { hardState: { term: 1 } });
  cluster.isLost = ({ from, to }) => (from === "b" && to === "c") || (from === "c" && to === "b");
  for (const id of ["b", "c"])
    expect(cluster.member("a").hear(askVote(2, at(1, 1), { from: id, preVote: true }))).toMatchObject([
      { granted: false },
    ]);
  expect(cluster.waitForLeader().node.id).toBe("a");
});

test("trap 92: an entry far up the number range is handled as any other", () => {
  const member = new TestMember({ terms: [1] });
  const answer = member.hear(append(Number.MAX_SAFE_INTEGER, { prev: at(Number.MAX_SAFE_INTEGER - 1, 5) }));
  expect(answer).toMatchObject([{ success: false, rejectedIndex: Number.MAX_SAFE_INTEGER - 1, hintIndex: 1 }]);
});

test("trap 23: entries read in one term are not sent in a later one, in which others stand in their place", () => {
  const member = new TestMember({ terms: [1, 1, 1] });
  member.lead();
  member.node.step(refused(2, 3, at(0, 0)), member.nowMs);
  member.node.step(appended(2, 0), member.nowMs);
  member.turn();
  expect(member.logReads).toMatchObject([{ peer: "b", from: 1 }]);
  // Another leader comes and goes before the store has answered.
  member.logReads = [];
  member.hear(append(3, { from: "c", entries: entriesOf([3, 3, 3]) }));
  member.lead();
  const { term } = member.node;
  member.node.step(refused(term, 3, at(0, 0)), member.nowMs);
  member.node.step(appended(term, 0), member.nowMs);
  member.node.entriesRead("b", entriesOf([1, 1, 1]));
  const sent = ofType(member.turn().messages, "AppendEntriesRequest").flatMap(({ entries }) => entries);
  expect(sent.map((entry) => entry.term)).toEqual([3, 3, 3, term]);
});

test("entries that were read are sent as far as the core counts them into one message, and the rest is asked for again", () => {
  const member = new TestMember({ terms: [1, 1, 1], raft: { appendBytesMax: 80 } });
  member.lead();
  member.node.step(refused(2, 3, at(0, 0)), member.nowMs);
  member.node.step(appended(2, 0), member.nowMs);
  member.turn();
  member.node.entriesRead("b", entriesOf([1, 1, 1]));
  const sent = ofType(member.turn().messages, "AppendEntriesRequest").filter(({ to }) => to === "b");
  expect(sent.map(({ prevLogIndex, entries }) => [prevLogIndex, entries.length])).toEqual([[0, 2]]);
  expect(member.logReads.at(-1)).toMatchObject({ peer: "b", from: 3 });
});

test("a lost probe is repeated however often the leader is read from", () => {
  const cluster = new TestCluster({ a: [], b: [], c: [] });
  cluster.isolate("c");
  const leader = cluster.elect("a");
  cluster.heal();
  // Each read sends heartbeats, more often than they would be due.
  const stepMs = leader.options.heartbeatIntervalMs / 5;
  for (let read = 1; read <= 20; read++) {
    leader.node.readIndex(read, leader.nowMs);
    for (const member of cluster.members) {
      member.nowMs += stepMs;
      member.tick();
    }
    cluster.settle();
  }
  expect(cluster.member("c").node.lastIndex).toBe(leader.node.lastIndex);
});

test("trap 23: entries that could not be read are asked for again after a while, not in every turn", () => {
  const member = new TestMember({ terms: [1, 1, 1] });
  member.lead();
  member.node.step(refused(2, 3, at(0, 0)), member.nowMs);
  member.node.step(appended(2, 0), member.nowMs);
  member.turn();
  expect(member.logReads).toMatchObject([{ peer: "b", from: 1 }]);
  member.logReads = [];
  member.node.entriesRead("b", []);
  for (let turns = 0; turns < 10; turns++) member.turn();
  expect(member.logReads).toEqual([]);
  member.nowMs += 10;
  member.node.tick(member.nowMs);
  member.node.step(heartbeatAnswer(2, 1), member.nowMs);
  expect(ofType(member.turn().messages, "AppendEntriesRequest")).toMatchObject([
    { to: "b", prevLogIndex: 0, entries: [] },
  ]);
  member.node.step(appended(2, 0), member.nowMs);
  member.turn();
  expect(member.logReads).toMatchObject([{ peer: "b", from: 1 }]);
});
