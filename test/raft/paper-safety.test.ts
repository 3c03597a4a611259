import { describe, expect, test } from "vitest";
import { append, appended, askVote, heartbeat, ofType } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, TestMember, voters } from "./test-member.ts";

const command = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

describe("figure 8 of the Raft paper", () => {
  // (a) S1 leads term 2 and its entry 2 reaches S2 only. (b) S5 leads term 3 and has an entry 2 of its own.
  const atB = { a: [1, 2], b: [1, 2], c: [1], d: [1], e: [1, 3] };

  test("an entry of an earlier term is not committed by counting, though a majority has it (c, d)", () => {
    const cluster = new TestCluster(atB, { hardState: { term: 3 } });
    // (c) S1 leads term 4 and spreads entry 2 of term 2 to a majority, while its own entry of term 4 stays with it.
    cluster.isLost = (message) =>
      message.from === "e" ||
      message.to === "e" ||
      (message.type === "AppendEntriesRequest" && message.entries.some(({ term }) => term === 4));
    cluster.elect("a");
    cluster.isLost = ({ from, to }) => from === "e" || to === "e";
    const { node, nowMs } = cluster.member("a");
    for (const to of ["b", "c"]) {
      const catchUp = append(4, { from: "a", to, prev: { index: 1, term: 1 }, entries: entriesOf([2], 2) });
      for (const message of cluster.member(to).hear(catchUp)) node.step(message, nowMs);
    }
    expect(["b", "c"].map((id) => node.progress.get(id)?.matchIndex)).toEqual([2, 2]);
    expect(cluster.terms("c")).toEqual([1, 2]);
    expect(node.role).toBe("leader");
    expect(node.commitIndex).toBe(0);
    // (d) S1 crashes; S5 is elected by those that miss term 4's entry, and overwrites entry 2. Nothing committed is lost.
    cluster.isLost = (message) =>
      message.from === "a" || message.to === "a" || (message.type === "RequestVoteRequest" && message.from !== "e");
    expect(cluster.waitForNewLeader("a").node.id).toBe("e");
    cluster.wait(50);
    expect(cluster.terms("b").slice(0, 2)).toEqual([1, 3]);
    expect(cluster.terms("c").slice(0, 2)).toEqual([1, 3]);
    for (const { applied } of cluster.members) expect(applied.length === 0 || applied[0] === 1).toBe(true);
  });

  test("an entry of the own term on a majority commits everything before it, and shuts the other out (e)", () => {
    const cluster = new TestCluster(atB, { hardState: { term: 3 } });
    cluster.isolate("e");
    const leader = cluster.elect("a");
    expect(leader.node.commitIndex).toBe(3);
    expect(leader.applied).toEqual([1, 2, 3]);
    cluster.isolate("a");
    for (const member of cluster.members) cluster.forgetLeader(member);
    cluster.member("e").node.campaign();
    cluster.settle();
    expect(cluster.member("e").node.role).not.toBe("leader");
    expect(cluster.waitForLeader().node.id).not.toBe("e");
  });
});

describe("commitment (Raft paper, section 5.4.2)", () => {
  test("a new leader commits a no-op of its term, and with it what came before (section 8)", () => {
    const cluster = new TestCluster({ a: [1, 1, 2], b: [1, 1, 2], c: [1] });
    const { node } = cluster.elect("a");
    expect(node.commitIndex).toBe(4);
    const last = cluster.member("c").image.entries.at(-1);
    expect(last).toMatchObject({ kind: "noop", index: 4, term: 3 });
  });

  test("counting stops short of the own term's first entry", () => {
    const member = new TestMember({ terms: [1, 2, 2] });
    member.lead();
    for (const from of ["b", "c"]) member.hear(appended(3, 3, { from }));
    expect(member.node.commitIndex).toBe(0);
    member.hear(appended(3, 4));
    expect(member.node.commitIndex).toBe(4);
  });
});

describe("leader completeness (Raft paper, section 5.4.3)", () => {
  test("nobody without the committed entries is elected", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [], d: [], e: [] });
    cluster.isolate("d", "e");
    const { node } = cluster.elect("a");
    node.propose([command(1), command(2)], 0);
    cluster.settle();
    expect(node.commitIndex).toBe(3);
    cluster.isolate("a");
    const next = cluster.waitForNewLeader("a");
    expect(["b", "c"]).toContain(next.node.id);
    expect(next.image.entries.slice(0, 3)).toEqual(cluster.member("a").image.entries.slice(0, 3));
  });

  test("a member that acknowledged an entry does not vote for a log without it", () => {
    const member = new TestMember();
    expect(member.hear(append(1, { entries: entriesOf([1]) }))).toMatchObject([{ success: true, matchIndex: 1 }]);
    member.wait(100);
    expect(member.hear(askVote(2, { index: 0, term: 0 }, { from: "c" }))).toMatchObject([{ granted: false, term: 2 }]);
  });
});

describe("leader append-only and log matching (Raft paper, figure 3)", () => {
  test("a leader keeps what it has and adds to it", () => {
    const member = new TestMember({ terms: [1, 1, 2] });
    member.lead();
    expect(member.image.entries.map(({ term }) => term)).toEqual([1, 1, 2, 3]);
    expect(member.image.entries.slice(0, 3)).toEqual(entriesOf([1, 1, 2]));
  });

  test("two leaders of one term are a broken invariant, and stop the member", () => {
    const member = new TestMember();
    member.lead();
    expect(() => member.hear(heartbeat(1, 0))).toThrow("two leaders in term 1");
  });

  test("a conflict with a committed entry is a broken invariant, and stops the member", () => {
    const member = new TestMember({ terms: [1, 1], hardState: { commitIndex: 1 } });
    const conflict = append(2, { entries: entriesOf([2, 2]) });
    expect(() => member.hear(conflict)).toThrow("conflicts with the committed log");
  });
});

describe("crashes (Raft paper, section 5.5)", () => {
  test("everything goes on after all members were down", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    cluster.elect("a").node.propose([command(1)], 0);
    cluster.settle();
    for (const id of ["a", "b", "c"]) cluster.restart(id);
    const leader = cluster.waitForLeader();
    expect(leader.node.term).toBeGreaterThan(1);
    expect(leader.image.entries.slice(0, 2).map(({ term }) => term)).toEqual([1, 1]);
    expect(leader.node.appliedIndex).toBe(3);
  });

  test("trap 30: a leader that lost an unwritten entry does not use its place and term again", () => {
    const member = new TestMember({ configuration: voters("a", "b") });
    member.lead();
    member.hear(appended(1, 1));
    member.node.propose([command(1)], 0);
    expect(ofType(member.turn().messages, "AppendEntriesRequest")).toMatchObject([
      { entries: [{ index: 2, term: 1 }] },
    ]);
    const again = member.restart();
    again.lead();
    expect(again.image.entries.map(({ index, term }) => [index, term])).toEqual([
      [1, 1],
      [2, 2],
    ]);
  });
});
