import { describe, expect, test } from "vitest";
import { appended, heartbeat, heartbeatAnswer, ofType } from "./messages.ts";
import { TestCluster } from "./test-cluster.ts";
import { TestMember, voters } from "./test-member.ts";

const command = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

/** A leader of term 1 whose no-op is committed. */
function leaderOf(...others: string[]): TestMember {
  const member = new TestMember({ configuration: voters("a", ...others) });
  member.lead();
  for (const from of others) member.hear(appended(1, 1, { from }));
  return member;
}

describe("ReadIndex (thesis, section 6.4)", () => {
  test("a read waits until a quorum has answered a heartbeat sent after it came in", () => {
    const member = leaderOf("b", "c", "d", "e");
    member.node.readIndex(1, member.nowMs);
    const round = ofType(member.drain(), "HeartbeatRequest").at(-1)?.round ?? 0;
    member.hear(heartbeatAnswer(1, round));
    expect(member.reads).toEqual([]);
    member.hear(heartbeatAnswer(1, round));
    expect(member.reads).toEqual([]);
    member.hear(heartbeatAnswer(1, round, { from: "d" }));
    expect(member.reads).toEqual([{ context: 1, index: 1 }]);
  });

  test("an answer to an earlier heartbeat confirms nothing", () => {
    const member = leaderOf("b", "c");
    const earlier = ofType(member.wait(10), "HeartbeatRequest")[0]?.round ?? 0;
    member.node.readIndex(1, member.nowMs);
    member.drain();
    for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, earlier, { from }));
    expect(member.reads).toEqual([]);
  });

  test("the index is the commit index when the round begins, not when it ends", () => {
    const member = leaderOf("b", "c");
    member.node.propose([command(1)], 0);
    member.node.readIndex(1, member.nowMs);
    const round = ofType(member.drain(), "HeartbeatRequest").at(-1)?.round ?? 0;
    member.hear(appended(1, 2));
    expect(member.node.commitIndex).toBe(2);
    member.hear(heartbeatAnswer(1, round));
    expect(member.reads).toEqual([{ context: 1, index: 1 }]);
  });

  test("reads that come in during a round share the next one", () => {
    const member = leaderOf("b", "c");
    member.node.readIndex(1, member.nowMs);
    const first = ofType(member.drain(), "HeartbeatRequest").at(-1)?.round ?? 0;
    for (const context of [2, 3, 4]) member.node.readIndex(context, member.nowMs);
    expect(ofType(member.drain(), "HeartbeatRequest")).toEqual([]);
    const second = ofType(member.hear(heartbeatAnswer(1, first)), "HeartbeatRequest").at(-1)?.round ?? 0;
    expect(member.reads.map(({ context }) => context)).toEqual([1]);
    member.hear(heartbeatAnswer(1, second));
    expect(member.reads.map(({ context }) => context)).toEqual([1, 2, 3, 4]);
  });

  test("before an entry of the own term is committed, no round begins", () => {
    const member = new TestMember({ terms: [1, 1], hardState: { commitIndex: 1 } });
    member.lead();
    member.node.readIndex(1, member.nowMs);
    const round = ofType(member.wait(10), "HeartbeatRequest").at(-1)?.round ?? 0;
    for (const from of ["b", "c"]) member.hear(heartbeatAnswer(2, round, { from }));
    expect(member.reads).toEqual([]);
    const after = ofType(member.hear(appended(2, 3)), "HeartbeatRequest").at(-1)?.round ?? 0;
    member.hear(heartbeatAnswer(2, after));
    expect(member.reads).toEqual([{ context: 1, index: 3 }]);
  });

  test("a lone voter needs nobody, but its no-op first", () => {
    const member = new TestMember({ configuration: voters("a") });
    member.node.campaign();
    member.turn();
    member.finishWrite();
    member.node.readIndex(1, member.nowMs);
    member.turn();
    expect(member.reads).toEqual([]);
    member.finishWrite();
    member.drain();
    expect(member.reads).toEqual([{ context: 1, index: 1 }]);
  });

  test("a follower asks the leader, and waits until it has applied as much", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const { node } = cluster.elect("a");
    node.propose([command(1)], 0);
    cluster.settle();
    cluster.member("c").node.readIndex(9, 0);
    cluster.settle();
    expect(cluster.member("c").reads).toEqual([{ context: 9, index: 2 }]);
    expect(cluster.member("a").reads).toEqual([]);
  });

  test("a follower without a leader refuses at once; one whose leader stays silent gives up", () => {
    const member = new TestMember();
    member.node.readIndex(1, member.nowMs);
    member.drain();
    expect(member.reads).toEqual([{ context: 1, index: null }]);
    member.hear(heartbeat(1, 0));
    member.node.readIndex(2, member.nowMs);
    for (let passedMs = 0; passedMs < 100; passedMs += 50) {
      expect(member.reads).toHaveLength(1);
      member.hear(heartbeat(1, 0));
      member.wait(50);
    }
    expect(member.reads).toEqual([
      { context: 1, index: null },
      { context: 2, index: null },
    ]);
  });

  test("a deposed leader that does not know of it confirms nothing", () => {
    const cluster = new TestCluster({ a: [], b: [], c: [] });
    const old = cluster.elect("a");
    cluster.isolate("a");
    const next = cluster.waitForNewLeader("a");
    next.node.propose([command(1)], 0);
    cluster.settle();
    old.node.readIndex(1, old.nowMs);
    cluster.settle();
    cluster.wait(300);
    expect(old.reads).toEqual([{ context: 1, index: null }]);
  });
});
