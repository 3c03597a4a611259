import { expect, test } from "vitest";
import { diceFor } from "../simulation/dice.ts";
import { churn, churnFlags } from "./churn.ts";
import { engineInMix } from "./engine-mix.ts";
import { report, startCluster } from "./start-cluster.ts";

// `npm run churn` goes on for longer, and with any engines.
test("members with short logs are killed and wiped under load, and end alike with all that was acknowledged", async () => {
  const cluster = await startCluster({ serveFlags: churnFlags, engineOf: (name) => engineInMix("mixed", name) });
  const totals = await churn(cluster, { seconds: 12, dice: diceFor(2, "strike"), say: report });
  report(JSON.stringify(totals));
  expect(totals.acknowledgedWrites).toBeGreaterThan(500);
  expect(totals.strikes.wipeFollower + totals.strikes.wipeLeader).toBeGreaterThan(0);
});
