import { describe, expect, test } from "vitest";
import { entrySize } from "../../src/raft/entry.ts";
import { append, appended, askVote, heartbeat, ofType, vote } from "./messages.ts";
import { entriesOf, TestMember, voters } from "./test-member.ts";

// Bugs that other Raft systems had, as scenarios, with the numbers under which docs/traps.md lists them.

const command = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const at = (index: number, term: number) => ({ index, term });

describe("trap 28: entries that were lost are noticed, and stop the member", () => {
  test("when the leader knows of more than the log has", () => {
    const member = new TestMember({ terms: [1] });
    expect(() => member.hear(heartbeat(1, 5))).toThrow("entries were lost here");
  });

  test("when the own commit index is beyond the log", () => {
    expect(() => new TestMember({ terms: [1], hardState: { commitIndex: 3 } })).toThrow("entries were lost");
  });

  test("when the state is ahead of the log", () => {
    const image = { hardState: { term: 1, votedFor: null, commitIndex: 0 }, entries: [], appliedIndex: 2 };
    expect(() => new TestMember({ image })).toThrow("entries were lost");
  });
});

test("trap 29: the leader counts its own no-op when it is durable", () => {
  const member = new TestMember();
  member.node.campaign();
  member.hear(vote(1, true, { preVote: true }));
  member.node.step(vote(1, true), 0);
  expect(member.node.role).toBe("leader");
  member.turn();
  member.node.step(appended(1, 1), 0);
  expect(member.node.commitIndex).toBe(0);
  member.finishWrite();
  expect(member.node.commitIndex).toBe(1);
});

test("trap 31: a write that finishes late does not stand for the entries that replaced its own", () => {
  const member = new TestMember();
  member.node.step(append(1, { entries: entriesOf([1, 1]) }), 0);
  member.turn();
  member.node.step(append(2, { from: "c", entries: entriesOf([2]) }), 0);
  member.node.step(append(3, { entries: entriesOf([3, 3]) }), 0);
  expect(member.finishWrite()).toMatchObject([{ term: 1, matchIndex: 2 }]);
  expect(member.node.durableIndex).toBe(0);
  const ready = member.turn();
  expect(ready.messages).toEqual([]);
  expect(ready.write).toMatchObject({ truncateFrom: 1, entries: entriesOf([3, 3]) });
  expect(ofType(member.finishWrite(), "AppendEntriesResponse").at(-1)).toMatchObject({ term: 3, matchIndex: 2 });
  expect(member.node.durableIndex).toBe(2);
});

test("trap 32: the durable index runs back with a truncation", () => {
  const member = new TestMember({ terms: [1, 1, 1] });
  expect(member.node.durableIndex).toBe(3);
  member.node.step(append(2, { prev: at(1, 1), entries: entriesOf([2], 2), commitIndex: 2 }), 0);
  expect(member.node).toMatchObject({ durableIndex: 1, commitIndex: 2 });
  expect(member.turn().apply).toEqual({ first: 1, last: 1 });
  member.finishWrite();
  expect(member.turn().apply).toEqual({ first: 2, last: 2 });
});

test("trap 33: an acknowledgement leaves when the entries are durable", () => {
  const member = new TestMember({ hardState: { term: 1 } });
  member.node.step(append(1, { entries: entriesOf([1]) }), 0);
  expect(member.turn().messages).toEqual([]);
  member.node.step(append(1, { prev: at(1, 1), entries: entriesOf([1], 2) }), 0);
  expect(member.turn().messages).toEqual([]);
  expect(member.finishWrite()).toMatchObject([{ success: true, matchIndex: 1 }]);
  member.turn();
  expect(member.finishWrite()).toMatchObject([{ success: true, matchIndex: 2 }]);
});

test("a disk that stands still makes no queue of acknowledgements", () => {
  const member = new TestMember();
  member.node.step(append(1, { entries: entriesOf([1]) }), 0);
  member.turn();
  for (let round = 1; round <= 1000; round++) {
    member.node.step(heartbeat(1, 0, round), 0);
    member.node.step(append(1, { prev: at(1, 1) }), 0);
    member.turn();
  }
  member.finishWrite();
  const sent = member.drain();
  expect(ofType(sent, "AppendEntriesResponse")).toMatchObject([{ matchIndex: 1 }]);
  expect(ofType(sent, "HeartbeatResponse")).toMatchObject([{ round: 1000 }]);
});

test("trap 34: a lone voter commits and applies what is durable, not what is appended", () => {
  const member = new TestMember({ configuration: voters("a") });
  member.lead();
  member.node.propose([command(1)], 0);
  expect(member.turn().apply).toBeUndefined();
  expect(member.node.commitIndex).toBe(1);
  member.finishWrite();
  expect(member.node.commitIndex).toBe(2);
});

test("trap 35: memory holds the durable and applied part of the log only up to its limit", () => {
  const member = new TestMember({ raft: { tailBytesMax: 1000 } });
  for (let index = 1; index <= 500; index++) {
    const prev = at(index - 1, index === 1 ? 0 : 1);
    member.hear(append(1, { prev, entries: entriesOf([1], index), commitIndex: index }));
  }
  let held = 0;
  for (let index = 500; index > 0; index--) {
    const entry = member.node.entries(index, index, 0)?.[0];
    held += entry ? entrySize(entry) : 0;
  }
  expect(held).toBeGreaterThan(500);
  expect(held).toBeLessThanOrEqual(1250);
});

test("a disk that stands still makes no queue of elections, however many terms go by", () => {
  const member = new TestMember();
  member.node.step(askVote(1, { index: 0, term: 0 }), 0);
  member.turn();
  for (let term = 2; term < 50; term++) {
    for (const from of ["b", "c"]) member.node.step(askVote(term, { index: 0, term: 0 }, { from }), member.nowMs);
    for (let i = 0; i < 30; i++) {
      member.nowMs += 10;
      member.node.tick(member.nowMs);
      member.turn();
    }
  }
  member.finishWrite();
  const { write } = member.turn();
  expect(write?.hardState?.term).toBe(49);
  expect(write?.messages.length).toBeLessThan(10);
});
