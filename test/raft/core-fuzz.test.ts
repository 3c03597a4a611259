import { expect, test } from "vitest";
import { CoreRun } from "./core-run.ts";
import { Coverage } from "./coverage.ts";

// One seed, or another range: CORE_SEED=17 npx vitest run test/raft/core-fuzz.test.ts
const onlySeed = process.env["CORE_SEED"];
const first = Number(onlySeed ?? process.env["CORE_SEED_FIRST"] ?? 1);
const count = onlySeed === undefined ? Number(process.env["CORE_SEEDS"] ?? 250) : 1;

test(`${count} random runs keep every rule of Raft`, { timeout: 30_000 + 200 * count }, () => {
  const coverage = new Coverage();
  for (let seed = first; seed < first + count; seed++) {
    try {
      new CoreRun(seed, coverage).run();
    } catch (cause) {
      const command = `CORE_SEED=${seed} npx vitest run test/raft/core-fuzz.test.ts`;
      throw new Error(`${String(cause)}\nreplay: ${command}`, { cause });
    }
  }
  // A situation that never came up was not tested.
  if (onlySeed === undefined) expect(coverage.missing).toEqual([]);
});
