import { expect, test } from "vitest";
import { type Random, randomId, seededRandom } from "../../src/raft/random.ts";

const take = (random: Random, count: number): number[] => Array.from({ length: count }, random);

test("equal seeds give equal sequences, others give others", () => {
  expect(take(seededRandom(7), 100)).toEqual(take(seededRandom(7), 100));
  const starts = new Set(Array.from({ length: 1000 }, (_, seed) => take(seededRandom(seed), 2).join()));
  expect(starts.size).toBe(1000);
});

test("seeds beyond 32 bits differ too", () => {
  expect(take(seededRandom(1), 3)).not.toEqual(take(seededRandom(1 + 2 ** 32), 3));
});

test("numbers lie between 0 and 1, evenly", () => {
  const tenths = Array<number>(10).fill(0);
  const numbers = take(seededRandom(1), 10_000);
  expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers)).toBeLessThan(1);
  for (const number of numbers) {
    const tenth = Math.floor(number * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) expect(Math.abs(count - 1000)).toBeLessThan(150);
});

test("ids are whole numbers up to 2^52, and do not repeat", () => {
  const random = seededRandom(3);
  const ids = Array.from({ length: 10_000 }, () => randomId(random));
  expect(new Set(ids).size).toBe(10_000);
  expect(ids.every((id) => Number.isSafeInteger(id) && id >= 0 && id < 2 ** 52)).toBe(true);
});
