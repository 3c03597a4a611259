import { describe, expect, test } from "vitest";
import { isJoint } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry } from "../../src/raft/entry.ts";
import { announce, append, appended, askVote, heartbeat, heartbeatAnswer, ofType, refused } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { entriesOf, newcomer, TestMember, target, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const at = (index: number, term: number) => ({ index, term });
const command = [Uint8Array.of(1)];
const base = { index: 0, configuration: voters("a", "b", "c") };
const snapshot = (index: number, term: number) => ({ index, term, configuration: base });

/** A leader of term 3 whose log has these terms before its no-op; everything is committed and applied, and "c" silent. */
function leader(terms: readonly number[], raft: NonNullable<ConstructorParameters<typeof TestMember>[0]>["raft"] = {}) {
  const member = new TestMember({ terms, hardState: { term: 2 }, raft });
  member.lead();
  member.hear(appended(3, terms.length + 1));
  return member;
}

/** A follower of "b" in term 3 with a snapshot at 7 to fetch; its own log has two entries of term 1. */
function behind(options: ConstructorParameters<typeof TestMember>[0] = {}): TestMember {
  const member = new TestMember({ terms: [1, 1], ...options });
  member.hear(announce(3, at(7, 2), { commitIndex: 9 }));
  return member;
}

test("trap 14: a member does not campaign while it installs a snapshot, and no leader can make it", () => {
  const member = behind();
  expect(member.node.beginInstall(snapshot(7, 2))).toBe("begun");
  member.node.campaign();
  expect(member.wait(500)).toEqual([]);
  expect(member.hear({ type: "TimeoutNowRequest", from: "b", to: "a", term: 3 })).toEqual([]);
  expect(member.node).toMatchObject({ role: "follower", term: 3 });
  member.finishInstall(snapshot(7, 2));
  expect(ofType(member.wait(300), "RequestVoteRequest")[0]).toMatchObject({ lastLogIndex: 7, lastLogTerm: 2 });
});

test("trap 14: an election that is under way is not overtaken by an installation", () => {
  const member = behind();
  member.node.campaign();
  expect(member.node.role).toBe("preCandidate");
  expect(member.install(snapshot(7, 2))).toBe("later");
  member.hear(announce(3, at(7, 2), { commitIndex: 9 }));
  expect(member.install(snapshot(7, 2))).toBe("begun");
});

describe("trap 21: what is probed for was compacted", () => {
  test.each([at(0, 0), at(1, 1), at(2, 2)])(
    "a refusal with hint $index of term $term leads to a snapshot, not to term 0",
    (hint) => {
      const member = leader([1, 1, 2, 2]);
      member.compact(3);
      expect(member.hear(refused(3, 4, hint, { from: "c" }))).toMatchObject([
        { type: "InstallSnapshotRequest", to: "c", index: 3, indexTerm: 2 },
      ]);
      expect(member.hear(refused(3, 4, hint, { from: "c" }))).toEqual([]);
    },
  );

  test("a refusal at the base itself is probed for there, and only then led to a snapshot", () => {
    const member = leader([1, 1, 2, 2]);
    member.compact(3);
    const [probe] = ofType(member.hear(refused(3, 4, at(3, 2), { from: "c" })), "AppendEntriesRequest");
    expect(probe).toMatchObject({ to: "c", prevLogIndex: 3, prevLogTerm: 2 });
    expect(member.hear(refused(3, 3, at(3, 1), { from: "c" }))).toMatchObject([
      { type: "InstallSnapshotRequest", to: "c", index: 3, indexTerm: 2 },
    ]);
  });

  test("a follower whose log has another term at the base is not probed there", () => {
    const member = leader([1, 1, 2, 2]);
    member.compact(3);
    expect(member.hear(refused(3, 4, at(4, 1), { from: "c" }))).toMatchObject([
      { type: "InstallSnapshotRequest", to: "c" },
    ]);
  });
});

test("trap 22: a leader whose whole log is compacted finds out where a follower is, and brings it up", () => {
  const cluster = new TestCluster({ a: [1, 1, 2], b: [1, 1, 2], c: [1] }, { hardState: { term: 2 } });
  cluster.isolate("c");
  const member = cluster.elect("a");
  cluster.settle();
  member.compact(4);
  member.node.unreachable("c");
  cluster.heal();
  cluster.wait(50);
  expect(cluster.member("c").node).toMatchObject({ appliedIndex: 4, lastIndex: 4 });
});

test("trap 22: a follower that lacks only the newest compacted entry is brought up, though it answers before the next turn", () => {
  const member = leader([1, 1, 2, 2], { appendBytesMax: 70, inflight: { messages: 1, bytes: 1 << 20 } });
  member.hear(refused(3, 4, at(2, 1), { from: "c" }));
  member.hear(appended(3, 2, { from: "c" }));
  expect(member.node.progress.get("c")).toMatchObject({ state: "replicate", matchIndex: 2, nextIndex: 5 });
  member.wait(10);
  member.compact(5);
  member.node.step(heartbeatAnswer(3, 2, { from: "c" }), member.nowMs);
  expect(member.turn().messages.filter(({ to }) => to === "c")).toMatchObject([
    { type: "InstallSnapshotRequest", index: 5, indexTerm: 3 },
  ]);
});

test("trap 22: a follower whose messages were compacted before they were answered is brought up", () => {
  const member = leader([1, 1, 2, 2]);
  member.hear(refused(3, 4, at(2, 1), { from: "c" }));
  member.hear(appended(3, 2, { from: "c" }));
  expect(member.node.progress.get("c")).toMatchObject({ state: "replicate", nextIndex: 6 });
  member.compact(5);
  expect(member.node.progress.get("c")?.state).toBe("replicate");
  member.wait(10);
  const [question] = ofType(member.hear(heartbeatAnswer(3, 1, { from: "c" })), "AppendEntriesRequest");
  expect(question).toMatchObject({ prevLogIndex: 5, prevLogTerm: 3 });
  expect(member.hear(refused(3, 5, at(2, 1), { from: "c" }))).toMatchObject([
    { type: "InstallSnapshotRequest", index: 5, indexTerm: 3 },
  ]);
});

test("nobody is asked about lost messages that were compacted a moment ago", () => {
  const member = leader([1, 1, 2, 2], { appendBytesMax: 1, inflight: { messages: 1, bytes: 1 << 20 } });
  member.hear(refused(3, 4, at(2, 1), { from: "c" }));
  member.hear(appended(3, 2, { from: "c" }));
  expect(member.node.progress.get("c")).toMatchObject({ state: "replicate", matchIndex: 2, nextIndex: 4 });
  member.wait(10);
  member.compact(5);
  expect(member.hear(heartbeatAnswer(3, 1, { from: "c" }))).toMatchObject([
    { type: "InstallSnapshotRequest", to: "c", index: 5 },
  ]);
});

describe("trap 23: entries that are compacted while they are read for a follower", () => {
  /** A leader that has asked for entries 1 to 5 of the store for "c". */
  function reading(): TestMember {
    const member = leader([1, 1, 2, 2], { tailBytesMax: 0 });
    member.node.step(refused(3, 4, at(0, 0), { from: "c" }), member.nowMs);
    member.turn();
    member.node.step(appended(3, 0, { from: "c" }), member.nowMs);
    member.turn();
    expect(member.logReads).toEqual([{ peer: "c", from: 1, to: 5 }]);
    return member;
  }

  test.each([
    { name: "come in spite of it", entries: entriesOf([1, 1], 1) },
    { name: "are not found any more", entries: [] },
    { name: "begin where the log begins now", entries: entriesOf([2], 4) },
  ])("are not sent when they $name, and the follower is told of a snapshot", ({ entries }) => {
    const member = reading();
    member.compact(3);
    expect(member.turn().messages.filter(({ to }) => to === "c")).toMatchObject([{ type: "InstallSnapshotRequest" }]);
    member.wait(10);
    member.node.step(heartbeatAnswer(3, 1, { from: "c" }), member.nowMs);
    member.node.entriesRead("c", entries);
    expect(member.turn().messages.filter(({ to }) => to === "c")).toMatchObject([{ type: "InstallSnapshotRequest" }]);
    expect(member.node.progress.get("c")).toMatchObject({ state: "snapshot", readingLog: false, nextIndex: 4 });
  });

  test("are sent when the follower has fetched its snapshot meanwhile, and they still fit", () => {
    const member = reading();
    member.compact(3);
    member.turn();
    member.node.step(appended(3, 3, { from: "c" }), member.nowMs);
    expect(member.turn().logReads).toEqual([]);
    member.node.entriesRead("c", entriesOf([2], 4));
    expect(ofType(member.turn().messages, "AppendEntriesRequest")).toMatchObject([
      { to: "c", prevLogIndex: 3, prevLogTerm: 2, entries: [{ index: 4 }] },
    ]);
  });
});

test("trap 26: a follower in need of a snapshot stays so when it is unreachable for a while, and refusals are late ones", () => {
  const member = leader([1, 1, 2, 2]);
  member.compact(3);
  member.hear(refused(3, 4, at(0, 0), { from: "c" }));
  member.node.unreachable("c");
  expect(member.hear(refused(3, 3, at(0, 0), { from: "c" }))).toEqual([]);
  expect(member.node.progress.get("c")).toMatchObject({ state: "snapshot", nextIndex: 4 });
});

test("trap 39: a configuration that is not committed does not get into a snapshot, nor out of the log by compaction", () => {
  const member = leader([1, 1]);
  member.node.changeMembership(target("abc", "d"));
  member.drain();
  expect(member.node.configurationAt.index).toBe(4);
  expect(member.node.logBaseAt(3).configuration).toEqual(base);
  expect(member.node.compact(3).configuration).toEqual(base);
  expect(member.node.configurationAt.index).toBe(4);
  member.hear(append(4, { from: "b", prev: at(3, 3), entries: entriesOf([4], 4) }));
  expect(member.node.configurationAt).toEqual(base);
});

test("trap 39: a member that joined keeps its log until that has told it a configuration", () => {
  const member = new TestMember({ configuration: newcomer });
  const change: ConfigurationEntry = {
    kind: "configuration",
    index: 3,
    term: 1,
    timeMs: 0,
    configuration: voters("a"),
  };
  member.hear(append(1, { entries: [...entriesOf([1, 1]), change, ...entriesOf([1], 4)], commitIndex: 4 }));
  expect(member.node.compact(2)).toMatchObject({ index: 0, term: 0 });
  expect(member.node.firstIndex).toBe(1);
  expect(member.node.compact(3)).toEqual({ index: 3, term: 1, configuration: member.node.configurationAt });
  expect(member.node.firstIndex).toBe(4);
});

test("trap 40: after an installation the configuration is the snapshot's, whatever the log had", () => {
  const change = (index: number, term: number, ...ids: string[]): ConfigurationEntry => {
    return { kind: "configuration", index, term, timeMs: 0, configuration: voters(...ids) };
  };
  const member = new TestMember();
  member.hear(append(1, { entries: [change(1, 1, "a", "b"), change(2, 1, "a")] }));
  member.hear(announce(3, at(7, 2)));
  const configuration = { index: 5, configuration: voters("a", "b", "c", "d") };
  expect(member.install({ index: 7, term: 2, configuration })).toBe("begun");
  expect(member.node.configurationAt).toEqual(configuration);
  expect(member.restart().node.configurationAt).toEqual(configuration);
  member.hear(append(4, { from: "c", prev: at(7, 2), entries: [change(8, 4, "b")] }));
  member.hear(append(5, { from: "b", prev: at(7, 2), entries: entriesOf([5], 8) }));
  expect(member.node.configurationAt).toEqual(configuration);
});

describe("trap 41: a snapshot of a joint configuration", () => {
  /** A leader of "a", "b", "c" in term 1 on its way to "a", "b", "d"; the joint configuration is entry 2, and committed. */
  function leaderOfJoint(): TestMember {
    const member = new TestMember();
    member.lead();
    member.hear(appended(1, 1));
    expect(member.node.changeMembership(target("abd"))).toBe(2);
    member.drain();
    member.hear(appended(1, 2));
    expect(member.node.configurationAt).toMatchObject({ index: 3, configuration: { outgoingVoters: [] } });
    return member;
  }

  test("has both halves, though the log goes on with the configuration that leaves it", () => {
    const member = leaderOfJoint();
    const { configuration } = member.node.compact(2);
    expect(configuration).toMatchObject({ index: 2, configuration: { voters: ["a", "b", "d"] } });
    expect(isJoint(configuration.configuration)).toBe(true);
    expect(member.node.configurationAt.index).toBe(3);
  });

  test("is taken by a member of the outgoing half alone, who then has to win both", () => {
    const joint = leaderOfJoint().node.logBaseAt(2);
    const away = new TestMember({ id: "c" });
    away.hear(announce(1, joint, { from: "a", to: "c" }));
    expect(away.install(joint)).toBe("begun");
    expect(away.node.configurationAt).toEqual(joint.configuration);
    expect(away.node.isVoter).toBe(true);
    away.drain();
    away.node.campaign();
    expect(ofType(away.drain(), "RequestVoteRequest").map(({ to }) => to)).toEqual(["a", "b", "d"]);
  });
});

describe("trap 71: announcements of what is there already", () => {
  test.each([
    { name: "committed", announced: at(2, 1), match: 3 },
    { name: "just what is committed", announced: at(3, 1), match: 3 },
  ])("$name: acknowledged as caught up, and nothing is fetched", ({ announced, match }) => {
    const member = new TestMember({ terms: [1, 1, 1, 2], hardState: { commitIndex: 3 } });
    member.drain();
    expect(member.hear(announce(3, announced))).toEqual([appended(3, match, { from: "a", to: "b" })]);
    expect(member.toFetch).toEqual([]);
    expect(member.install(snapshot(announced.index, announced.term))).toBe("outdated");
    expect(member.node).toMatchObject({ firstIndex: 1, lastIndex: 4 });
  });

  test("in the log and not known to be committed: it is, and the log goes on as it is", () => {
    const member = new TestMember({ terms: [1, 1, 1, 2] });
    expect(member.hear(announce(3, at(2, 1)))).toEqual([appended(3, 2, { from: "a", to: "b" })]);
    expect(member.toFetch).toEqual([]);
    expect(member.applied).toEqual([1, 2]);
    expect(member.node.lastIndex).toBe(4);
  });

  test("in the log and not durable: acknowledged when it is", () => {
    const member = new TestMember({ hardState: { term: 3 } });
    member.node.step(append(3, { entries: entriesOf([1, 1]) }), 0);
    member.turn();
    member.node.step(announce(3, at(2, 1)), 0);
    expect(ofType(member.turn().messages, "AppendEntriesResponse")).toEqual([]);
    member.finishWrite();
    expect(ofType(member.drain(), "AppendEntriesResponse")).toMatchObject([{ success: true, matchIndex: 2 }]);
  });

  test("of a leader of before: answered with the present term", () => {
    const member = behind();
    member.toFetch = [];
    expect(member.hear(announce(2, at(9, 2), { from: "c" }))).toMatchObject([{ type: "HeartbeatResponse", term: 3 }]);
    expect(member.toFetch).toEqual([]);
  });

  test("a leader has nothing to install", () => {
    const member = leader([1, 1]);
    expect(member.install(snapshot(9, 3))).toBe("outdated");
  });
});

describe("trap 72: snapshots in quick succession", () => {
  test("announcements of a later one are told on, and the one that was fetched is installed", () => {
    const member = behind();
    member.hear(announce(3, at(8, 3), { commitIndex: 9 }));
    expect(member.toFetch).toEqual([
      { from: "b", index: 7 },
      { from: "b", index: 8 },
    ]);
    expect(member.install(snapshot(8, 3))).toBe("begun");
    expect(member.install(snapshot(7, 2))).toBe("outdated");
    expect(member.node.appliedIndex).toBe(8);
  });

  test("an announcement during an installation is left for afterwards, and one after it acknowledged", () => {
    const member = behind();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("begun");
    member.toFetch = [];
    expect(member.hear(announce(3, at(9, 3)))).toEqual([]);
    expect(member.toFetch).toEqual([]);
    expect(() => member.node.beginInstall(snapshot(9, 3))).toThrow("one installation at a time");
    member.finishInstall(snapshot(7, 2));
    member.drain();
    expect(member.hear(announce(3, at(7, 2)))).toEqual([appended(3, 7, { from: "a", to: "b" })]);
    expect(() => member.node.installed()).toThrow("an installation is under way");
  });
});

describe("trap 73: nothing else happens during an installation", () => {
  test("entries are not taken, written or applied; afterwards they are", () => {
    const member = new TestMember({ terms: [1, 1], hardState: { term: 3 } });
    member.node.step(announce(3, at(7, 2), { commitIndex: 9 }), 0);
    member.drain();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("begun");
    for (const prev of [at(2, 1), at(7, 2)]) {
      const entries = entriesOf([3], prev.index + 1);
      expect(member.hear(append(3, { prev, entries, commitIndex: prev.index + 1 }))).toEqual([]);
    }
    member.node.step(heartbeat(3, 2), 0);
    const ready = member.turn();
    expect([ready.write, ready.apply]).toEqual([undefined, undefined]);
    expect(() => member.node.compact(0)).toThrow("no compaction during an installation");
    member.finishInstall(snapshot(7, 2));
    expect(member.drain()).toEqual([appended(3, 7, { from: "a", to: "b" })]);
    const next = append(3, { prev: at(7, 2), entries: entriesOf([3], 8), commitIndex: 8 });
    expect(member.hear(next)).toMatchObject([{ success: true, matchIndex: 8 }]);
    expect(member.applied).toEqual([8]);
  });

  test("it waits for what is being written, waits to be written, or is being applied", () => {
    const member = behind();
    member.node.step(append(3, { prev: at(2, 1), entries: entriesOf([1], 3), commitIndex: 9 }), 0);
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("later");
    member.turn();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("later");
    member.finishWrite();
    member.slowStateMachine = true;
    member.turn();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("later");
    member.finishApply();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("begun");
  });

  test("it waits for a term or vote that is not durable", () => {
    const member = behind();
    member.node.step(announce(4, at(7, 2), { from: "c", commitIndex: 9 }), 0);
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("later");
    member.drain();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("begun");
  });

  test("votes and a new leader's questions are answered when it is over, and the snapshot told to the new leader", () => {
    const member = behind();
    expect(member.node.beginInstall(snapshot(7, 2))).toBe("begun");
    member.node.step(askVote(4, at(9, 3), { from: "c", leadershipTransfer: true }), 0);
    member.node.step(heartbeat(4, 0, 1, { from: "c" }), 0);
    expect(member.turn()).toMatchObject({ messages: [] });
    member.finishInstall(snapshot(7, 2));
    const answers = member.drain();
    expect(answers.map(({ type, to, term }) => [type, to, term])).toEqual([
      ["RequestVoteResponse", "c", 4],
      ["HeartbeatResponse", "c", 4],
      ["AppendEntriesResponse", "c", 4],
    ]);
    expect(member.image.hardState).toMatchObject({ term: 4, votedFor: "c", commitIndex: 7 });
  });
});

describe("trap 74: entries after the snapshot", () => {
  test("that contradict it are gone, and are not acknowledged to anybody", () => {
    const member = behind({ terms: [1, 1, 1, 1, 1, 1, 1, 1, 1] });
    expect(member.node.lastIndex).toBe(9);
    expect(member.install(snapshot(7, 2))).toBe("begun");
    expect(member.node.lastIndex).toBe(7);
    expect(member.image.entries).toEqual([]);
    expect(member.restart().node.lastIndex).toBe(7);
    expect(member.drain()).toEqual([appended(3, 7, { from: "a", to: "b" })]);
    expect(member.hear(append(3, { prev: at(9, 3) }))).toMatchObject([{ success: false, hintIndex: 7, hintTerm: 2 }]);
  });

  test("that go with it are kept: the log has what the snapshot stands for, and is applied", () => {
    const member = behind({ terms: [1, 1, 1, 1, 1, 1, 2, 2, 2] });
    expect(member.toFetch).toEqual([]);
    const later = behind({ terms: [1, 1, 1, 1, 1, 1, 1, 2, 3] });
    expect(later.toFetch).toEqual([{ from: "b", index: 7 }]);
    expect(later.install(snapshot(9, 3))).toBe("outdated");
    later.drain();
    expect(later.node).toMatchObject({ lastIndex: 9, appliedIndex: 9, firstIndex: 1 });
  });
});

describe("trap 75: an installation that takes long", () => {
  test("ends wherever the snapshot stands by then, at the base or after it", () => {
    for (const match of [3, 4, 5]) {
      const member = leader([1, 1, 2, 2]);
      member.compact(3);
      member.hear(refused(3, 4, at(0, 0), { from: "c" }));
      member.hear(appended(3, match, { from: "c" }));
      expect(member.node.progress.get("c")).toMatchObject({ state: "replicate", matchIndex: match });
    }
  });

  test("and is behind the base when it ends begins again, at the new base", () => {
    const member = leader([1, 1, 2, 2]);
    member.compact(2);
    member.hear(refused(3, 4, at(0, 0), { from: "c" }));
    member.compact(4);
    const told = ofType(member.drain(), "InstallSnapshotRequest");
    expect(told).toMatchObject([{ to: "c", index: 4, indexTerm: 2 }]);
    expect(member.hear(appended(3, 2, { from: "c" }))).toEqual([]);
    expect(member.node.progress.get("c")).toMatchObject({ state: "snapshot", matchIndex: 2, nextIndex: 5 });
  });

  test("holds nobody up: the others commit, change and elect as if there were no such follower", () => {
    const member = leader([1, 1, 2, 2]);
    member.compact(3);
    member.hear(refused(3, 4, at(0, 0), { from: "c" }));
    for (let i = 0; i < 100; i++) member.node.propose(command, 0);
    member.drain();
    member.hear(appended(3, 105));
    expect(member.node).toMatchObject({ commitIndex: 105, uncommittedBytes: 0 });
    expect(member.node.changeMembership(target("ab", "c"))).toBe(106);
  });

  test("does not make a learner ready to vote", () => {
    const configuration = { ...voters("a", "b"), learners: ["c"], members: voters("a", "b", "c").members };
    const member = new TestMember({ configuration, raft: { promotionLagMax: 100 } });
    member.lead();
    member.hear(appended(1, 1));
    member.compact(1);
    member.hear(refused(1, 0, at(0, 0), { from: "c" }));
    member.node.progress.get("c")?.becomeSnapshot(1);
    member.hear(heartbeatAnswer(1, 1, { from: "c" }));
    expect(member.node.changeMembership(target("abc"))).toBe("LEARNER_NOT_READY");
    expect(member.node.configurationAt.index).toBe(0);
  });
});

describe("a snapshot of a member that has served a later leader since", () => {
  test("is not installed before the leader of this term is known to have committed as much", () => {
    const member = behind();
    expect(member.install(snapshot(10, 3))).toBe("later");
    member.hear(announce(3, at(7, 2), { commitIndex: 10 }));
    expect(member.install(snapshot(10, 3))).toBe("begun");
  });

  test("the leader of another term has to say it anew", () => {
    const member = behind();
    member.hear(heartbeat(4, 0, 1, { from: "c" }));
    expect(member.install(snapshot(7, 2))).toBe("later");
    member.hear(append(4, { from: "c", prev: at(9, 2), commitIndex: 7 }));
    expect(member.install(snapshot(7, 2))).toBe("begun");
  });
});
