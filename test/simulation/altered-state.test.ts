import { expect, test } from "vitest";
import { Coverage } from "./coverage.ts";
import { runSeed } from "./run-seed.ts";

test("a member with a wrong state is found and cut off under every kind of harm, and no other member is", async () => {
  const coverage = new Coverage();
  for (let seed = 7001; seed <= 7012; seed++) {
    const size = seed % 3 === 0 ? 5 : 3;
    const result = await runSeed(seed, { profile: "swarm", size, altersState: true });
    if (result.type === "broken") throw result.error;
    coverage.add(result.report.coverage);
  }
  expect(coverage.missing(["stateAltered", "alteredStateFound", "alteredLeaderFound"])).toEqual([]);
});
