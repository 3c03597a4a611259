import { expect, test } from "vitest";
import { commandOf } from "./command-line.ts";
import { Coverage } from "./coverage.ts";
import { runSeed } from "./run-seed.ts";
import { shrink } from "./shrink.ts";

/** A test that runs `count` seeds from `first` on; between them they must meet every situation. */
export function testSeeds(first: number, count: number): void {
  test(`${count} clusters from seed ${first} on keep every rule`, { timeout: 60_000 + 2000 * count }, async () => {
    const coverage = new Coverage();
    for (let seed = first; seed < first + count; seed++) {
      const result = await runSeed(seed);
      if (result.type === "passed") {
        coverage.add(result.report.coverage);
        continue;
      }
      const smaller = await shrink(seed, {}, result.rule);
      throw new Error(`${String(result.error)}\nreplay: ${commandOf(seed, smaller)}`, { cause: result.error });
    }
    // A situation that never came up was not tested.
    expect(coverage.missing).toEqual([]);
  });
}
