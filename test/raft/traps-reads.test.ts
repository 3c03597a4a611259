import { expect, test } from "vitest";
import { append, appended, heartbeat, heartbeatAnswer, ofType } from "./messages.ts";
import { entriesOf, TestMember, type TestMemberOptions, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

function leader(options: TestMemberOptions = {}): TestMember {
  const member = new TestMember(options);
  member.lead();
  for (const from of ["b", "c"]) member.hear(appended(1, 1, { from }));
  return member;
}

const askIndex = (id: number) => ({ type: "ReadIndexRequest", from: "c", to: "a", term: 1, id }) as const;
const lastRound = (messages: ReturnType<TestMember["drain"]>): number =>
  ofType(messages, "HeartbeatRequest").at(-1)?.round ?? 0;

test("trap 48: a new leader answers no read before an entry of its term is committed", () => {
  const member = new TestMember({ terms: [1, 1], hardState: { commitIndex: 1 } });
  const round = lastRound(member.lead());
  member.node.readIndex(1, member.nowMs);
  member.drain();
  for (const from of ["b", "c"]) member.hear(heartbeatAnswer(2, Math.max(round, lastRound(member.wait(10))), { from }));
  expect(member.reads).toEqual([]);
});

test("trap 49: each attempt has a number of its own, which an answer to another attempt does not confirm", () => {
  const member = leader();
  member.node.readIndex(1, member.nowMs);
  const first = lastRound(member.drain());
  // Nobody answers in time; the caller asks again, and the late answer to the first question comes then.
  const second = lastRound(member.wait(10));
  expect(second).toBeGreaterThan(first);
  member.node.readIndex(2, member.nowMs);
  member.drain();
  member.hear(heartbeatAnswer(1, first));
  expect(member.reads).toEqual([{ context: 1, index: 1 }]);
});

test("trap 49: a follower's reads have ids that a start before it did not use", () => {
  const ids = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const member = new TestMember({ seed });
    member.hear(heartbeat(1, 0));
    for (let context = 0; context < 10; context++) member.node.readIndex(context, member.nowMs);
    for (const { id } of ofType(member.drain(), "ReadIndexRequest")) ids.add(id);
  }
  expect(ids.size).toBe(200);
});

test("trap 49: an answer to a read that was given up is not taken for the next one's", () => {
  const member = new TestMember();
  member.hear(heartbeat(1, 0));
  member.node.readIndex(1, member.nowMs);
  const [request] = ofType(member.drain(), "ReadIndexRequest");
  for (let beat = 0; beat < 2; beat++) {
    member.wait(50);
    member.hear(heartbeat(1, 0));
  }
  member.node.readIndex(2, member.nowMs);
  const late = {
    type: "ReadIndexResponse",
    from: "b",
    to: "a",
    term: 1,
    id: request?.id ?? 0,
    index: 1,
    refused: false,
  } as const;
  member.hear(late);
  expect(member.reads).toEqual([{ context: 1, index: null }]);
});

test("trap 50: reads that wait when leadership is lost end unconfirmed, each once", () => {
  const member = leader();
  for (const context of [1, 2, 3]) {
    member.node.readIndex(context, member.nowMs);
    member.drain();
  }
  member.hear(heartbeat(2, 0));
  const unconfirmed = [1, 2, 3].map((context) => ({ context, index: null }));
  expect(member.reads).toEqual(unconfirmed);
  for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, 9, { from }));
  expect(member.reads).toEqual(unconfirmed);
});

test("trap 50: both halves of a joint configuration confirm a read", () => {
  const members = ["a", "b", "c", "d", "e"].map((id) => ({ id, name: id, peerAddress: id, keepLearner: true }));
  const configuration = { ...voters("a", "d", "e"), learners: ["b", "c"], members };
  const member = new TestMember({ configuration });
  member.lead();
  for (const from of ["d", "b", "c"]) member.hear(appended(1, 1, { from }));
  // In force as soon as it is appended.
  expect(member.node.changeMembership({ voters: ["a", "b", "c"], learners: [], members })).toBe(2);
  member.node.readIndex(1, member.nowMs);
  const round = lastRound(member.drain());
  for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, round, { from }));
  expect(member.reads).toEqual([]);
  member.hear(heartbeatAnswer(1, round, { from: "e" }));
  expect(member.reads).toEqual([{ context: 1, index: 1 }]);
});

test("trap 51: no read is answered without a round, the first included", () => {
  const member = leader();
  member.node.readIndex(1, member.nowMs);
  expect(member.drain().some(({ type }) => type === "HeartbeatRequest")).toBe(true);
  expect(ofType(member.hear(askIndex(7)), "ReadIndexResponse")).toEqual([]);
  expect(member.reads).toEqual([]);
});

test("trap 52: a leader whose process stood still confirms reads by a round, whatever it was told before", () => {
  const member = leader();
  for (const from of ["b", "c"]) member.hear(heartbeatAnswer(1, lastRound(member.wait(10)), { from }));
  member.node.tick(60_000);
  member.node.readIndex(1, member.nowMs);
  member.drain();
  expect(member.reads).toEqual([]);
});

test("trap 55: reads have limits in number and in time, and say so", () => {
  const busy = leader({ raft: { pendingReadsMax: 2 } });
  for (const context of [1, 2, 3]) busy.node.readIndex(context, busy.nowMs);
  busy.drain();
  expect(busy.reads).toEqual([{ context: 3, index: null }]);
  expect(ofType(busy.hear(askIndex(7)), "ReadIndexResponse")).toMatchObject([{ id: 7, refused: true }]);

  const follower = new TestMember({ raft: { pendingReadsMax: 2 } });
  follower.hear(heartbeat(1, 0));
  for (const context of [1, 2, 3]) follower.node.readIndex(context, follower.nowMs);
  follower.drain();
  expect(follower.reads).toEqual([{ context: 3, index: null }]);
  follower.wait(100);
  expect(follower.reads.map(({ context }) => context)).toEqual([3, 1, 2]);
});

test("a confirmed read brings the commit index along, as far as the log is known to match the leader's", () => {
  for (const [appendTerm, commitIndex] of [
    [2, 2],
    [1, 0],
  ] as const) {
    const member = new TestMember();
    member.hear(append(appendTerm, { prev: { index: 0, term: 0 }, entries: entriesOf([1, 1], 1) }));
    // Of another leader, which has not yet shown that these entries are its own.
    member.hear(heartbeat(2, 0));
    member.drain();
    member.node.readIndex(1, member.nowMs);
    const id = ofType(member.drain(), "ReadIndexRequest")[0]?.id ?? 0;
    member.hear({ type: "ReadIndexResponse", from: "b", to: "a", term: 2, id, index: 2, refused: false });
    expect(member.node.commitIndex).toBe(commitIndex);
  }
});
