import { expect, test } from "vitest";
import { Administration, type ChangeOutcome } from "../../src/replica/administration.ts";
import { appended } from "../raft/messages.ts";
import { TestMember } from "../raft/test-member.ts";

/** A leader of three, and what becomes of its change that takes "c" away. */
function removing(): { member: TestMember; administration: Administration; outcomes: ChangeOutcome[] } {
  const member = new TestMember();
  member.lead();
  for (const from of ["b", "c"]) member.hear(appended(1, 1, { from }));
  const administration = new Administration(member.node);
  const outcomes: ChangeOutcome[] = [];
  administration.change({ type: "remove", member: "c" }, { deadlineMs: 1000, expectedIndex: null }, (outcome) => {
    outcomes.push(outcome);
  });
  expect(member.node.configurationAt.index).toBe(2);
  return { member, administration, outcomes };
}

test("a change has ended although the log was compacted past its beginning meanwhile", () => {
  const { member, administration, outcomes } = removing();
  member.node.propose([Uint8Array.of(1)], 0);
  member.drain();
  member.hear(appended(1, 3));
  expect(member.node).toMatchObject({ appliedIndex: 3, commitIndex: 3, lastIndex: 4 });
  member.compact(3);
  administration.settle(member.nowMs);
  expect(outcomes).toEqual([]);
  member.hear(appended(1, 4));
  administration.settle(member.nowMs);
  expect(outcomes).toMatchObject([{ type: "changed", index: 4, configuration: { voters: ["a", "b"] } }]);
});

test("a change whose leader is deposed before it is committed ends as unknown", () => {
  const { member, administration, outcomes } = removing();
  member.hear({ type: "HeartbeatRequest", from: "b", to: "a", term: 2, commitIndex: 0, round: 1 });
  administration.settle(member.nowMs);
  expect(outcomes).toEqual([{ type: "unknown" }]);
});
