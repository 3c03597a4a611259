import fc from "fast-check";
import { expect, test } from "vitest";
import { addSequence, countSequences, hasSequence, type SequenceRuns, takeBelow } from "../../src/kv/sequence-runs.ts";

const sequencesOf = (runs: SequenceRuns): bigint[] =>
  runs.flatMap((run) => Array.from({ length: run.count }, (_, at) => run.first + BigInt(at)));

test("runs hold the set of what was added and not taken", () => {
  const step = fc.oneof(
    fc.record({ add: fc.bigInt({ min: 1n, max: 30n }) }),
    fc.record({ bound: fc.bigInt({ min: 0n, max: 32n }), max: fc.integer({ min: 1, max: 6 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let runs: SequenceRuns = [];
      let model: bigint[] = [];
      for (const step of steps) {
        if ("add" in step) {
          expect(hasSequence(runs, step.add)).toBe(model.includes(step.add));
          if (model.includes(step.add)) continue;
          runs = addSequence(runs, step.add);
          model = [...model, step.add].sort((a, b) => Number(a - b));
        } else {
          const { taken, left } = takeBelow(runs, step.bound, step.max);
          expect(taken).toEqual(model.filter((sequence) => sequence < step.bound).slice(0, step.max));
          model = model.filter((sequence) => !taken.includes(sequence));
          runs = left;
        }
        expect(sequencesOf(runs)).toEqual(model);
        expect(countSequences(runs)).toBe(model.length);
        for (const [at, run] of runs.entries()) {
          const before = runs[at - 1];
          if (before !== undefined) expect(before.first + BigInt(before.count)).toBeLessThan(run.first);
        }
      }
    }),
  );
});
