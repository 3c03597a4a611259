import { expect, test } from "vitest";
import { runSeed } from "./run-seed.ts";
import type { RunOptions } from "./simulation.ts";

async function traceHash(seed: number, options: RunOptions = {}): Promise<string> {
  const result = await runSeed(seed, {}, options);
  return result.type === "passed" ? result.report.traceHash : `seed ${seed} broke a rule`;
}

test("a seed gives the same run twice, to the last event", async () => {
  for (const seed of [11, 12, 13]) {
    const hash = await traceHash(seed);
    expect(hash).toMatch(/^[0-9a-f]{16}$/);
    expect(await traceHash(seed)).toBe(hash);
  }
});

test("it changes nothing to let promises run after every event, to write a trace, or both", async () => {
  const lines: string[] = [];
  const hash = await traceHash(14);
  expect(await traceHash(14, { settleAlways: true, write: (line) => lines.push(line) })).toBe(hash);
  expect(lines.length).toBeGreaterThan(100);
});

test("two seeds give two runs", async () => {
  expect(await traceHash(15)).not.toBe(await traceHash(16));
});
