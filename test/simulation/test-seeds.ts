import { expect, test } from "vitest";
import { commandOf } from "./command-line.ts";
import { Coverage, situationsOf } from "./coverage.ts";
import { runSeed } from "./run-seed.ts";
import { shrink } from "./shrink.ts";
import type { Profile } from "./strike.ts";

/**
 * A test that runs `count` seeds from `first` on, of one kind or, by default, of all kinds; between them they must meet every
 * situation that is asked of that kind.
 */
export function testSeeds(first: number, count: number, profile?: Profile): void {
  const kind = profile === undefined ? "" : ` of the kind ${profile}`;
  test(`${count} clusters${kind} from seed ${first} on keep every rule`, {
    timeout: 60_000 + 3000 * count,
  }, async () => {
    const overrides = profile === undefined ? {} : { profile };
    const coverage = new Coverage();
    for (let seed = first; seed < first + count; seed++) {
      const result = await runSeed(seed, overrides);
      if (result.type === "passed") {
        coverage.add(result.report.coverage);
        continue;
      }
      const smaller = await shrink(seed, overrides, result.rule);
      throw new Error(`${String(result.error)}\nreplay: ${commandOf(seed, smaller)}`, { cause: result.error });
    }
    // A situation that never came up was not tested.
    expect(coverage.missing(situationsOf(profile))).toEqual([]);
  });
}
