import { expect, test } from "vitest";
import { append, appended } from "./messages.ts";
import { entriesOf, TestMember } from "./test-member.ts";

const overloaded = { type: "refused", reason: "OVERLOADED" };
const command = (bytes = 1): Uint8Array[] => [new Uint8Array(bytes)];

/** A leader of term 1 whose no-op is committed, and applied unless its state machine stands still from the start. */
function leader(raft: ConstructorParameters<typeof TestMember>[0] = {}): TestMember {
  const member = new TestMember(raft);
  member.lead();
  member.hear(appended(1, 1));
  return member;
}

test("trap 35: entries leave memory though the state machine stands still, and it gets them from the store", () => {
  const member = new TestMember({ raft: { tailBytesMax: 100 } });
  member.slowStateMachine = true;
  for (let index = 1; index <= 50; index++) {
    const prev = { index: index - 1, term: index === 1 ? 0 : 1 };
    member.hear(append(1, { prev, entries: entriesOf([1], index), commitIndex: index }));
  }
  const { node } = member;
  expect(node).toMatchObject({ appliedIndex: 0, commitIndex: 50, lastIndex: 50 });
  expect(node.entries(47, 50, 1 << 20)).toBeUndefined();
  expect(node.entries(49, 50, 1 << 20)).toHaveLength(2);
  member.slowStateMachine = false;
  member.finishApply();
  member.drain();
  expect(member.applied).toHaveLength(50);
});

test("what is not committed or not durable stays in memory, whatever the limit", () => {
  const member = new TestMember({ raft: { tailBytesMax: 0 } });
  member.hear(append(1, { entries: entriesOf([1, 1, 1]), commitIndex: 1 }));
  expect(member.node.entries(1, 3, 1 << 20)).toBeUndefined();
  expect(member.node.entries(2, 3, 1 << 20)).toHaveLength(2);
  member.node.step(append(1, { prev: { index: 3, term: 1 }, entries: entriesOf([1], 4), commitIndex: 4 }), 0);
  member.turn();
  expect(member.writing?.entries).toHaveLength(1);
  expect(member.node.entries(4, 4, 1 << 20)).toHaveLength(1);
  member.finishWrite();
  member.turn();
  expect(member.node.entries(4, 4, 1 << 20)).toBeUndefined();
});

test("trap 35: a leader whose state machine falls behind its commit index takes no proposals until it has caught up", () => {
  const member = leader({ raft: { unappliedEntriesMax: 3 } });
  const { node } = member;
  member.slowStateMachine = true;
  for (let proposal = 1; proposal <= 4; proposal++) {
    expect(node.propose(command(), 0).type).toBe("appended");
    member.drain();
    member.hear(appended(1, node.lastIndex));
  }
  expect(node).toMatchObject({ appliedIndex: 1, commitIndex: 5 });
  expect(node.propose(command(), 0)).toEqual(overloaded);
  expect(node.lastIndex).toBe(5);
  member.finishApply();
  expect(node.propose(command(), 0).type).toBe("appended");
});

test("trap 35: entries that others have committed count until the leader's own disk has them, too", () => {
  const member = leader({ raft: { uncommittedBytesMax: 100 } });
  const { node } = member;
  node.propose(command(100), 0);
  member.turn();
  for (const from of ["b", "c"]) node.step(appended(1, 2, { from }), 0);
  expect(node.commitIndex).toBe(2);
  expect(node.propose(command(), 0)).toEqual(overloaded);
  member.finishWrite();
  expect(node.uncommittedBytes).toBe(0);
  expect(node.propose(command(), 0).type).toBe("appended");
});
