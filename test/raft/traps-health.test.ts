import { describe, expect, test } from "vitest";
import { appended, heartbeat, heartbeatAnswer, ofType } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { TestMember, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const command = [Uint8Array.of(1)];

function leader(): TestMember {
  const member = new TestMember();
  member.lead();
  for (const from of ["b", "c"]) member.hear(appended(1, 1, { from }));
  return member;
}

describe("trap 58: a disk that stands still", () => {
  test("makes the leader hand over to the best of the others after an election timeout, and be silent", () => {
    const member = leader();
    member.diskStandsStill = true;
    member.node.propose(command, 0);
    member.drain();
    member.hear(appended(1, 2, { from: "c" }));
    expect(ofType(member.wait(90), "HeartbeatRequest").length).toBeGreaterThan(0);
    expect(member.node.role).toBe("leader");
    expect(ofType(member.wait(10), "TimeoutNowRequest")).toMatchObject([{ to: "c", term: 1 }]);
    expect(member.node).toMatchObject({ role: "follower", term: 1, leaderId: null });
    expect(member.wait(1000)).toEqual([]);
    member.finishWrite();
    expect(ofType(member.wait(200), "RequestVoteRequest").length).toBeGreaterThan(0);
  });

  test("lets the others go on, and lose nothing of what they had got", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const old = cluster.elect("a");
    old.diskStandsStill = true;
    old.node.propose(command, 0);
    cluster.wait(100);
    const next = cluster.waitForNewLeader("a");
    expect(next.node).toMatchObject({ term: 2, commitIndex: 3 });
    expect(cluster.terms("a")).toEqual([1]);
    cluster.wait(1000);
    expect(next.node).toMatchObject({ role: "leader", term: 2 });
    old.diskStandsStill = false;
    cluster.wait(50);
    expect(cluster.terms("a")).toEqual([1, 1, 2]);
  });

  test("keeps a follower from campaigning, by itself or when it is asked to", () => {
    const member = new TestMember();
    member.diskStandsStill = true;
    member.hear(heartbeat(1, 0));
    expect(ofType(member.wait(1000), "RequestVoteRequest")).toEqual([]);
    member.hear({ type: "TimeoutNowRequest", from: "b", to: "a", term: 1 });
    expect(member.node).toMatchObject({ role: "follower", term: 1 });
    member.diskStandsStill = false;
    expect(ofType(member.wait(200), "RequestVoteRequest").length).toBeGreaterThan(0);
  });

  test("does not unseat a leader before another voter has stored what it has not: all may wait for one disk", () => {
    const member = leader();
    member.diskStandsStill = true;
    member.node.propose(command, 0);
    member.drain();
    for (let waitedMs = 0; waitedMs < 300; waitedMs += 40) {
      expect(ofType(member.wait(40), "TimeoutNowRequest")).toEqual([]);
      for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, 1, { from }));
    }
    expect(member.node.role).toBe("leader");
    member.hear(appended(1, 2, { from: "b" }));
    expect(ofType(member.wait(10), "TimeoutNowRequest")).toMatchObject([{ to: "b", term: 1 }]);
    expect(member.node.role).toBe("follower");
  });

  test("unseats a leader that is never to write again in any case", () => {
    const member = leader();
    member.node.tick(0, Number.POSITIVE_INFINITY);
    expect(member.node.role).toBe("follower");
  });

  test("does not unseat a lone voter: there is nobody to hand over to", () => {
    const member = new TestMember({ configuration: voters("a") });
    member.lead();
    member.diskStandsStill = true;
    member.node.propose(command, 0);
    member.wait(1000);
    expect(member.node.role).toBe("leader");
  });
});

describe("trap 59: a leader that wakes after an election timeout", () => {
  /** As a leader is that has just been answered, and then stands still. */
  function woken(): { member: TestMember; round: number } {
    const member = leader();
    for (let i = 0; i < 3; i++) {
      const round = ofType(member.wait(10), "HeartbeatRequest").at(-1)?.round ?? 0;
      for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, round, { from }));
    }
    member.nowMs += 60_000;
    member.node.tick(member.nowMs);
    return { member, round: ofType(member.drain(), "HeartbeatRequest").at(-1)?.round ?? 0 };
  }

  test("asks at once whether it still leads, and leads no longer when nobody answers within an election timeout", () => {
    const { member, round } = woken();
    expect(round).toBeGreaterThan(0);
    expect(member.node.role).toBe("leader");
    member.wait(80);
    expect(member.node.role).toBe("follower");
  });

  test("leads on when a quorum answers", () => {
    const { member, round } = woken();
    member.hear(heartbeatAnswer(1, round));
    member.wait(90);
    expect(member.node.role).toBe("leader");
  });

  test("confirms no read by an answer that was asked for before", () => {
    const { member, round } = woken();
    member.node.readIndex(1, member.nowMs);
    member.drain();
    member.hear(heartbeatAnswer(1, round - 1));
    expect(member.reads).toEqual([]);
  });
});
