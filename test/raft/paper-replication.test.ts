import { describe, expect, test } from "vitest";
import { append, appended, heartbeatAnswer, ofType, refused } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, TestMember, voters } from "./test-member.ts";

const command = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

describe("log replication (Raft paper, section 5.3)", () => {
  test("a leader appends a command and sends it to everybody, with what stands before it", () => {
    const member = new TestMember({ terms: [1, 1] });
    member.lead();
    for (const from of ["b", "c"]) member.hear(appended(2, 3, { from }));
    expect(member.node.propose([command(7)], 5)).toEqual({ type: "appended", firstIndex: 4, term: 2 });
    const sent = ofType(member.drain(), "AppendEntriesRequest");
    expect(sent.map(({ to }) => to)).toEqual(["b", "c"]);
    const entry = { kind: "command", index: 4, term: 2, timeMs: 5, command: command(7) };
    for (const request of sent) {
      expect(request).toMatchObject({ term: 2, prevLogIndex: 3, prevLogTerm: 2, entries: [entry], commitIndex: 3 });
    }
  });

  test("a no-op behind another entry of its term is a checkpoint; the one that begins a term is none", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    const follower = cluster.members.find((each) => each.node !== node) ?? expect.fail("no follower");
    expect([node.lastIndex, node.proposeCheckpoint(), follower.node.proposeCheckpoint()]).toEqual([1, 2, null]);
    cluster.settle();
    cluster.wait(20);
    for (const { node: each, applied } of cluster.members) {
      expect(applied).toEqual([1, 2]);
      expect([each.isCheckpoint(1), each.isCheckpoint(2)]).toEqual([false, true]);
    }
    expect(node.transferLeadership(follower.node.id)).toEqual({ target: follower.node.id });
    expect(node.proposeCheckpoint()).toBeNull();
  });

  test.each([
    { members: 1, acknowledged: 0 },
    { members: 2, acknowledged: 1 },
    { members: 3, acknowledged: 1 },
    { members: 4, acknowledged: 2 },
    { members: 5, acknowledged: 2 },
    { members: 7, acknowledged: 3 },
  ])(
    "of $members, an entry is committed once $acknowledged others have it, not before",
    ({ members, acknowledged }) => {
      const ids = "abcdefg".slice(0, members).split("");
      const member = new TestMember({ configuration: voters(...ids) });
      member.lead();
      for (const from of ids.slice(1, 1 + acknowledged)) {
        expect(member.node.commitIndex).toBe(0);
        member.hear(appended(1, 1, { from }));
      }
      expect(member.node.commitIndex).toBe(1);
      expect(member.applied).toEqual([1]);
    },
  );

  test("followers learn the commit index and apply in log order", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    for (let round = 0; round < 5; round++) {
      node.propose([command(round), command(round)], 0);
      cluster.settle();
    }
    cluster.wait(20);
    for (const { applied } of cluster.members) expect(applied).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  });

  test.each([
    { prev: { index: 0, term: 0 }, entries: entriesOf([3, 3]), log: [3, 3] },
    { prev: { index: 1, term: 1 }, entries: entriesOf([3, 4], 2), log: [1, 3, 4] },
    { prev: { index: 2, term: 2 }, entries: entriesOf([3], 3), log: [1, 2, 3] },
    { prev: { index: 2, term: 2 }, entries: [], log: [1, 2] },
    { prev: { index: 0, term: 0 }, entries: entriesOf([1]), log: [1, 2] },
  ])("a log of terms 1, 2 takes entries after $prev.index: $log", ({ prev, entries, log }) => {
    const member = new TestMember({ terms: [1, 2] });
    const matchIndex = prev.index + entries.length;
    expect(member.hear(append(4, { prev, entries }))).toMatchObject([{ success: true, matchIndex, term: 4 }]);
    expect(member.image.entries.map(({ term }) => term)).toEqual(log);
  });

  test.each([
    { prev: { index: 3, term: 3 }, hint: { hintIndex: 2, hintTerm: 2 } },
    { prev: { index: 2, term: 3 }, hint: { hintIndex: 2, hintTerm: 2 } },
    { prev: { index: 2, term: 1 }, hint: { hintIndex: 1, hintTerm: 1 } },
    { prev: { index: 9, term: 1 }, hint: { hintIndex: 1, hintTerm: 1 } },
  ])("a log of terms 1, 2 refuses entries after $prev, and says where the logs may match", ({ prev, hint }) => {
    const member = new TestMember({ terms: [1, 2] });
    const entries = entriesOf([4], prev.index + 1);
    const answer = { success: false, rejectedIndex: prev.index, ...hint };
    expect(member.hear(append(4, { prev, entries }))).toMatchObject([answer]);
    expect(member.image.entries).toEqual(entriesOf([1, 2]));
  });

  test("the commit index of a follower is the leader's, as far as the message reaches", () => {
    const member = new TestMember({ terms: [1, 1, 1] });
    member.hear(append(1, { prev: { index: 1, term: 1 }, commitIndex: 3 }));
    expect(member.node.commitIndex).toBe(1);
    member.hear(append(1, { prev: { index: 1, term: 1 }, entries: entriesOf([1], 2), commitIndex: 3 }));
    expect(member.node.commitIndex).toBe(2);
    member.hear(append(1, { prev: { index: 2, term: 1 }, entries: entriesOf([1], 3), commitIndex: 2 }));
    expect(member.node.commitIndex).toBe(2);
  });

  test("a leader asks again for ever, until everybody has everything", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    let count = 0;
    cluster.isLost = ({ type }) => type.startsWith("Append") && count++ % 3 !== 0;
    for (let round = 0; round < 30; round++) {
      node.propose([command(round)], 0);
      cluster.wait(10);
    }
    cluster.heal();
    cluster.wait(100);
    expect(node.term).toBe(1);
    for (const { image } of cluster.members) expect(image.entries).toHaveLength(31);
  });

  test("a refusal moves the leader back a term at a time, not an entry at a time", () => {
    const member = new TestMember({ terms: [1, 1, 1, 4, 4, 4, 4, 6, 6] });
    member.lead();
    // The follower's log goes on with entries of terms 2 and 3, which the leader never saw.
    const [probe] = ofType(member.hear(refused(7, 9, { index: 9, term: 3 })), "AppendEntriesRequest");
    expect(probe).toMatchObject({ prevLogIndex: 3, prevLogTerm: 1 });
  });
});

describe("logs after changes of leaders (Raft paper, figure 7)", () => {
  const leader = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    { name: "a", log: [1, 1, 1, 4, 4, 5, 5, 6, 6] },
    { name: "b", log: [1, 1, 1, 4] },
    { name: "c", log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6] },
    { name: "d", log: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7] },
    { name: "e", log: [1, 1, 1, 4, 4, 4, 4] },
    { name: "f", log: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3] },
  ])("follower $name gets the leader's log", ({ log }) => {
    for (const appendBytesMax of [1, 1 << 20]) {
      const raft = { appendBytesMax };
      const cluster = new TestCluster({ leader, other: log, third: leader }, { hardState: { term: 7 }, raft });
      // Follower "d" has the longer log and would not vote for the leader; the third member's vote is enough.
      const { node } = cluster.elect("leader");
      cluster.wait(50);
      expect(cluster.terms("other")).toEqual([...leader, node.term]);
      expect(cluster.member("other").image.entries).toEqual(cluster.member("leader").image.entries);
      const probes = ofType(cluster.sent, "AppendEntriesResponse").filter(
        ({ from, success }) => from === "other" && !success,
      );
      expect(probes.length).toBeLessThanOrEqual(3);
    }
  });
});

describe("batches and pipeline (thesis, section 10.2)", () => {
  test("a leader sends while its own write is under way, and counts itself only when it is done", () => {
    const member = new TestMember();
    member.lead();
    member.hear(appended(1, 1));
    member.node.propose([command(1)], 0);
    const ready = member.turn();
    expect(ofType(ready.messages, "AppendEntriesRequest")).toHaveLength(1);
    member.node.step(appended(1, 2), 0);
    expect(member.node.commitIndex).toBe(1);
    member.finishWrite();
    expect(member.node.commitIndex).toBe(2);
  });

  test("followers alone may commit what the leader's own disk does not have yet", () => {
    const member = new TestMember();
    member.lead();
    member.node.propose([command(1)], 0);
    member.turn();
    for (const from of ["b", "c"]) member.node.step(appended(1, 2, { from }), 0);
    expect(member.node.commitIndex).toBe(2);
    expect(member.turn().apply?.last).toBe(1);
    member.finishWrite();
    expect(member.turn().apply).toEqual({ first: 2, last: 2 });
  });

  test("messages follow one another without waiting, as far as the window goes", () => {
    const member = new TestMember({ raft: { appendBytesMax: 1, inflight: { messages: 3, bytes: 1 << 20 } } });
    member.lead();
    member.hear(appended(1, 1));
    member.node.propose(
      [1, 2, 3, 4, 5].map((byte) => command(byte)),
      0,
    );
    const lengths = (messages: ReturnType<TestMember["drain"]>) =>
      ofType(messages, "AppendEntriesRequest")
        .filter(({ to }) => to === "b")
        .map(({ prevLogIndex }) => prevLogIndex);
    expect(lengths(member.drain())).toEqual([1, 2, 3]);
    expect(lengths(member.hear(appended(1, 3)))).toEqual([4, 5]);
    // An interval later, an empty message finds out whether anything was lost.
    member.wait(10);
    expect(lengths(member.hear(heartbeatAnswer(1, 1)))).toEqual([6]);
  });
});
