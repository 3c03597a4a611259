import { describe, expect, test } from "vitest";
import type { ConfigurationEntry } from "../../src/raft/entry.ts";
import { announce, append, appended, askVote, heartbeatAnswer, ofType, refused } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, newcomer, TestMember, target, voters } from "./test-member.ts";

const at = (index: number, term: number) => ({ index, term });
const command = [Uint8Array.of(1)];

/** A snapshot at (index, term), in the configuration that all members of these tests start with. */
const snapshot = (index: number, term: number) => ({
  index,
  term,
  configuration: { index: 0, configuration: voters("a", "b", "c") },
});

/** A leader of term 1 with `count` entries after its no-op, applied; "b" has them all, "c" has nothing. */
function leader(count: number): TestMember {
  const member = new TestMember();
  member.lead();
  for (let i = 0; i < count; i++) member.node.propose(command, 0);
  member.drain();
  member.hear(appended(1, count + 1));
  expect(member.node.appliedIndex).toBe(count + 1);
  return member;
}

/** A follower whose log has these terms, of which `applied` are applied and durably so. */
function follower(terms: readonly number[], applied = 0): TestMember {
  const member = new TestMember({ terms, hardState: { commitIndex: applied } });
  member.drain();
  return member;
}

describe("compaction (Raft paper, section 7; thesis, section 5.1)", () => {
  test("the log forgets what is applied, and knows the term at its new beginning", () => {
    const member = follower([1, 1, 2, 2, 3], 4);
    expect(member.node.compact(3)).toEqual(snapshot(3, 2));
    expect(member.node).toMatchObject({ firstIndex: 4, lastIndex: 5, commitIndex: 4, appliedIndex: 4 });
    expect([2, 3, 4, 5].map((index) => member.node.termAt(index))).toEqual([undefined, 2, 2, 3]);
    expect(member.node.compact(3)).toEqual(snapshot(3, 2));
  });

  test("what is not applied, or not there any more, cannot be forgotten", () => {
    const member = follower([1, 1, 2, 2, 3], 4);
    expect(() => member.node.compact(5)).toThrow("only 4 entries are applied");
    member.node.compact(3);
    expect(() => member.node.compact(2)).toThrow("2 is not between");
  });

  test("a log that was compacted to its end takes entries and gives votes as before", () => {
    const member = follower([1, 2], 2);
    member.compact(2);
    expect(member.hear(askVote(3, at(3, 1)))).toMatchObject([{ granted: false }]);
    expect(member.hear(askVote(4, at(2, 2)))).toMatchObject([{ granted: true }]);
    expect(member.hear(append(4, { prev: at(2, 2), entries: entriesOf([4], 3) }))).toMatchObject([
      { success: true, matchIndex: 3 },
    ]);
  });

  test("a restart goes on from what is left, with the configuration that was in force there", () => {
    const configuration = voters("a", "b");
    const change: ConfigurationEntry = { kind: "configuration", index: 2, term: 1, timeMs: 0, configuration };
    const member = new TestMember();
    const entries = [...entriesOf([1]), change, ...entriesOf([1, 1], 3)];
    member.hear(append(1, { entries, commitIndex: 4 }));
    member.compact(3);
    const { node } = member.restart();
    expect(node).toMatchObject({ firstIndex: 4, lastIndex: 4, appliedIndex: 4, commitIndex: 4 });
    expect(node.configurationAt).toEqual({ index: 2, configuration });
  });

  test("a start from a log that begins after the state ends is refused", () => {
    const image = { ...follower([1, 1]).image, base: snapshot(3, 1), entries: [], appliedIndex: 2 };
    expect(() => new TestMember({ image })).toThrow("the log begins after 3, the state ends at 2");
  });

  test("entries of before are passed over where a message reaches back behind the log", () => {
    const member = follower([1, 1, 1], 3);
    member.compact(3);
    expect(member.hear(append(1, { prev: at(1, 1), entries: entriesOf([1, 1, 1], 2) }))).toMatchObject([
      { success: true, matchIndex: 4 },
    ]);
    expect(member.hear(append(1, { prev: at(1, 1), entries: entriesOf([1, 1], 2) }))).toMatchObject([
      { success: true, matchIndex: 3 },
    ]);
    expect(member.hear(append(1, { prev: at(0, 0) }))).toMatchObject([{ success: true, matchIndex: 3 }]);
    expect(member.image.entries).toEqual(entriesOf([1], 4));
    const contradiction = append(1, { prev: at(1, 1), entries: entriesOf([1, 2, 2], 2) });
    expect(() => member.hear(contradiction)).toThrow("entry 3 is committed with another term than 2");
  });

  test("a snapshot stands at the configuration of its index, wherever between base and commit index", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    cluster.join("d");
    expect(node.changeMembership(target("abc", "d"))).toBe(2);
    cluster.settle();
    expect(node.logBaseAt(1)).toEqual(snapshot(1, 1));
    expect(node.logBaseAt(2).configuration).toMatchObject({ index: 2, configuration: { learners: ["d"] } });
    node.propose(command, 0);
    expect(() => node.logBaseAt(3)).toThrow("3 is not between the log's base 0 and the commit index 2");
    node.compact(1);
    expect(() => node.logBaseAt(0)).toThrow("0 is not between");
  });
});

describe("followers that lack what is compacted (Raft paper, section 7; thesis, section 5.1)", () => {
  test("are told to fetch a snapshot, and get no entries until they have one", () => {
    const member = leader(4);
    member.compact(3);
    const told = member.hear(refused(1, 1, at(0, 0), { from: "c" }));
    expect(told).toEqual([announce(1, at(3, 1), { from: "a", to: "c", commitIndex: 5 })]);
    expect(member.node.progress.get("c")?.state).toBe("snapshot");
    member.node.propose(command, 0);
    expect(member.drain().filter(({ to }) => to === "c")).toEqual([]);
    const beats = member.wait(10).filter(({ to }) => to === "c");
    expect(beats.map(({ type }) => type)).toEqual(["HeartbeatRequest"]);
  });

  test("are told again once in a heartbeat interval, as long as they answer", () => {
    const member = leader(4);
    member.compact(3);
    member.hear(refused(1, 1, at(0, 0), { from: "c" }));
    const toldIn = (messages: ReturnType<TestMember["drain"]>) => ofType(messages, "InstallSnapshotRequest").length;
    expect(toldIn(member.hear(heartbeatAnswer(1, 1, { from: "c" })))).toBe(0);
    expect(toldIn(member.wait(10))).toBe(0);
    expect(toldIn(member.hear(heartbeatAnswer(1, 1, { from: "c" })))).toBe(1);
    expect(toldIn(member.hear(heartbeatAnswer(1, 1, { from: "c" })))).toBe(0);
  });

  test("get what comes after their snapshot as soon as they have it", () => {
    const member = leader(4);
    member.compact(3);
    member.hear(refused(1, 1, at(0, 0), { from: "c" }));
    const [next] = ofType(member.hear(appended(1, 3, { from: "c" })), "AppendEntriesRequest");
    expect(next).toMatchObject({ to: "c", prevLogIndex: 3, prevLogTerm: 1, entries: [{ index: 4 }, { index: 5 }] });
    expect(member.node.progress.get("c")).toMatchObject({ state: "replicate", matchIndex: 3 });
  });

  test("fetch one and install it, and then have log, state and configuration of the leader", () => {
    const member = follower([1, 1]);
    expect(member.hear(announce(3, at(7, 2), { commitIndex: 9 }))).toEqual([]);
    expect(member.toFetch).toEqual([{ from: "b", index: 7 }]);
    const configuration = { index: 6, configuration: voters("a", "b", "d") };
    expect(member.install({ index: 8, term: 3, configuration })).toBe("begun");
    expect(member.drain()).toEqual([appended(3, 8, { from: "a", to: "b" })]);
    expect(member.node).toMatchObject({
      firstIndex: 9,
      lastIndex: 8,
      commitIndex: 8,
      appliedIndex: 8,
      durableIndex: 8,
    });
    expect(member.node.configurationAt).toEqual(configuration);
    expect(member.node.termAt(8)).toBe(3);
    const next = append(3, { prev: at(8, 3), entries: entriesOf([3], 9), commitIndex: 9 });
    expect(member.hear(next)).toMatchObject([{ success: true, matchIndex: 9 }]);
    expect(member.applied).toEqual([9]);
    expect(member.restart().node).toMatchObject({ firstIndex: 9, lastIndex: 9, appliedIndex: 8 });
  });

  test("one that was away comes back by snapshot and log", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    cluster.isolate("c");
    for (let i = 0; i < 10; i++) node.propose(command, 0);
    cluster.wait(20);
    cluster.member("a").compact(8);
    cluster.heal();
    cluster.wait(50);
    expect(ofType(cluster.sent, "InstallSnapshotRequest").length).toBeGreaterThan(0);
    expect(cluster.member("c").node).toMatchObject({ lastIndex: 11, appliedIndex: 11, firstIndex: 12 });
    node.propose(command, 0);
    cluster.wait(20);
    expect(cluster.member("c").applied).toEqual([1, 12]);
  });

  test("a new member is caught up by snapshot, and promoted", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    for (let i = 0; i < 10; i++) node.propose(command, 0);
    cluster.wait(20);
    cluster.member("a").compact(11);
    const joined = cluster.join("d");
    expect(joined.node.configuration).toEqual(newcomer);
    node.changeMembership(target("abc", "d", false));
    cluster.wait(100);
    expect(node.configuration.voters).toEqual(["a", "b", "c", "d"]);
    expect(joined.node.configuration).toEqual(node.configuration);
    expect(joined.node.appliedIndex).toBe(node.lastIndex);
  });
});
