import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readRegressions } from "./regressions.ts";
import { runSeed } from "./run-seed.ts";

const regressions = readRegressions();

test.each(regressions)("seed $seed keeps every rule, which it once did not: $bug", async ({ seed, overrides }) => {
  const result = await runSeed(seed, overrides);
  expect(result.type === "broken" ? String(result.error) : result.type).toBe("passed");
});

test("each is told of among the bugs that were found", () => {
  const found = readFileSync(join(import.meta.dirname, "../../docs/bugs-found.md"), "utf8").split("\n");
  for (const { bug } of regressions) expect(found).toContain(`## ${bug}`);
});
