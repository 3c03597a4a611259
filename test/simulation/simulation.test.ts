import { expect, test } from "vitest";
import { Coverage } from "./coverage.ts";
import { commandOf, runSeed } from "./run-seed.ts";

// Other seeds, or more of them: SIM_SEEDS=1000 SIM_FIRST=5000 npx vitest run test/simulation
const first = Number(process.env["SIM_FIRST"] ?? 1);
const count = Number(process.env["SIM_SEEDS"] ?? 200);

test(`${count} clusters keep every rule in a hostile world`, { timeout: 60_000 + 2000 * count }, async () => {
  const coverage = new Coverage();
  for (let seed = first; seed < first + count; seed++) {
    const result = await runSeed(seed);
    if (result.type === "passed") coverage.add(result.report.coverage);
    else throw new Error(`${String(result.error)}\nreplay: ${commandOf(seed, {})}`, { cause: result.error });
  }
  // A situation that never came up was not tested.
  expect(coverage.missing).toEqual([]);
});

test("a seed gives the same run twice, to the last event, and whenever promises are let run", async () => {
  for (const seed of [11, 12, 13]) {
    const [once, again, settled] = [
      await runSeed(seed),
      await runSeed(seed),
      await runSeed(seed, {}, { settleAlways: true }),
    ];
    const hashes = [once, again, settled].map((result) => (result.type === "passed" ? result.report.traceHash : ""));
    expect(hashes[0]).toMatch(/^[0-9a-f]{16}$/);
    expect(hashes).toEqual([hashes[0], hashes[0], hashes[0]]);
  }
});
