import { expect, test } from "vitest";
import { seededRandom } from "../../src/raft/random.ts";
import { StateSet } from "./state-set.ts";

test("a set of digests takes each once, growing from next to nothing", () => {
  const random = seededRandom(1);
  const set = new StateSet(4);
  const model = new Set<string>();
  const wrong: string[] = [];
  for (let added = 0; added < 20_000; added++) {
    const [low, high] = [Math.floor(random() * 200) - 100, Math.floor(random() * 200) - 100];
    if (set.add(low, high) === model.has(`${low}/${high}`)) wrong.push(`${low}/${high}`);
    model.add(`${low}/${high}`);
  }
  expect(wrong).toEqual([]);
  expect(set.size).toBe(model.size);
});

test("two zeros are a digest like any other", () => {
  const set = new StateSet(4);
  expect([set.add(0, 0), set.add(0, 0), set.size]).toEqual([true, false, 1]);
});
