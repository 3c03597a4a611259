import { expect, test } from "vitest";
import type { ProposalOutcome } from "../../src/replica/outcome.ts";
import { AppendedProposals, type Proposal } from "../../src/replica/proposal.ts";

function proposals(count: number, deadlineMs = 100) {
  const outcomes: ProposalOutcome[] = [];
  const list: Proposal[] = Array.from({ length: count }, () => ({
    command: new Uint8Array(),
    deadlineMs,
    forward: true,
    receivedMs: 0,
    done: (outcome) => outcomes.push(outcome),
  }));
  return { list, outcomes };
}

const result = new Uint8Array([7]);

test("a proposal ends as applied when its very entry is", () => {
  const appended = new AppendedProposals();
  const { list, outcomes } = proposals(2);
  appended.add(list, 5, 3);
  appended.applied(5, 3, result);
  appended.applied(5, 3, result);
  expect(outcomes).toEqual([{ type: "applied", result, index: 5, term: 3 }]);
  expect(appended.size).toBe(1);
});

test("a deposed leader never answers with another command's result", () => {
  const appended = new AppendedProposals();
  const { list, outcomes } = proposals(2);
  appended.add(list, 5, 3);
  appended.applied(5, 4, result);
  appended.overwritten(6);
  expect(outcomes).toEqual([
    { type: "dropped", reason: "PROPOSAL_DROPPED", index: 5, term: 3 },
    { type: "dropped", reason: "PROPOSAL_DROPPED", index: 6, term: 3 },
  ]);
  expect(appended.size).toBe(0);
});

test("trap 79: a proposal whose entry was truncated under it ends once, as unknown", () => {
  const appended = new AppendedProposals();
  const before = proposals(1);
  const after = proposals(1);
  appended.add(before.list, 5, 3);
  appended.add(after.list, 5, 7);
  expect(before.outcomes).toEqual([{ type: "unknown", index: 5, term: 3 }]);
  appended.applied(5, 7, result);
  expect(before.outcomes).toHaveLength(1);
  expect(after.outcomes).toEqual([{ type: "applied", result, index: 5, term: 7 }]);
});

test("a proposal whose deadline passes ends as unknown, since its entry may still be committed", () => {
  const appended = new AppendedProposals();
  const { list, outcomes } = proposals(1, 50);
  appended.add(list, 1, 1);
  expect(appended.expire(49)).toBe(0);
  expect(appended.expire(50)).toBe(1);
  appended.applied(1, 1, result);
  expect(outcomes).toEqual([{ type: "unknown", index: 1, term: 1 }]);
});
