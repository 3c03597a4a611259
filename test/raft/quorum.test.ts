import fc from "fast-check";
import { expect, test } from "vitest";
import type { Configuration } from "../../src/raft/configuration.ts";
import { hasQuorum, majority, quorumIndex, voteResult } from "../../src/raft/quorum.ts";
import { voters } from "./test-member.ts";

const ids = ["a", "b", "c", "d", "e", "f", "g"];
const configurations: fc.Arbitrary<Configuration> = fc
  .tuple(fc.subarray(ids, { minLength: 1 }), fc.subarray(ids))
  .map(([incoming, outgoingVoters]) => ({ ...voters(...ids), voters: incoming, outgoingVoters }));
const halves = ({ voters: incoming, outgoingVoters }: Configuration) =>
  [incoming, outgoingVoters].filter((half) => half.length > 0);

/** Every set of `half` that is larger than what it leaves out. */
function majoritiesOf(half: readonly string[]): string[][] {
  const sets = Array.from({ length: 2 ** half.length }, (_, bits) => half.filter((_id, bit) => bits & (1 << bit)));
  return sets.filter((set) => set.length > half.length - set.length);
}

test.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 3],
  [6, 4],
  [7, 4],
])("a majority of %i is %i", (count, expected) => {
  expect(majority(count)).toBe(expected);
});

test("a quorum is a majority of each half", () => {
  fc.assert(
    fc.property(configurations, fc.subarray(ids), (configuration, holding) => {
      const expected = halves(configuration).every((half) =>
        majoritiesOf(half).some((set) => set.every((id) => holding.includes(id))),
      );
      expect(hasQuorum(configuration, (id) => holding.includes(id))).toBe(expected);
    }),
  );
});

test("the quorum's index is the highest that a majority of each half has", () => {
  const matches = fc.tuple(...ids.map(() => fc.integer({ min: 0, max: 9 })));
  fc.assert(
    fc.property(configurations, matches, (configuration, match) => {
      const matchIndex = (id: string): number => match[ids.indexOf(id)] ?? 0;
      const reached = (index: number): boolean => hasQuorum(configuration, (id) => matchIndex(id) >= index);
      const expected = Array.from({ length: 11 }, (_, index) => index).findLast(reached);
      expect(quorumIndex(configuration, matchIndex)).toBe(expected);
    }),
  );
});

test("a vote is won, lost, or may still go either way", () => {
  const answers = fc.tuple(...ids.map(() => fc.constantFrom(true, false, undefined)));
  fc.assert(
    fc.property(configurations, answers, (configuration, given) => {
      const votes = new Map(
        ids.flatMap((id, position) => (given[position] === undefined ? [] : [[id, given[position]]])),
      );
      const open = ids.filter((id) => !votes.has(id));
      // Every way in which the open votes may go.
      const outcomes = Array.from({ length: 2 ** open.length }, (_, bits) =>
        hasQuorum(configuration, (id) => votes.get(id) ?? (bits & (1 << open.indexOf(id))) !== 0),
      );
      const expected = outcomes.every(Boolean) ? "won" : outcomes.some(Boolean) ? "pending" : "lost";
      expect(voteResult(configuration, votes)).toBe(expected);
    }),
  );
});

test("two quorums always share a member", () => {
  fc.assert(
    fc.property(configurations, fc.subarray(ids), (configuration, one) => {
      const other = ids.filter((id) => !one.includes(id));
      const decides = (set: string[]): boolean => hasQuorum(configuration, (id) => set.includes(id));
      expect(decides(one) && decides(other)).toBe(false);
    }),
  );
});
