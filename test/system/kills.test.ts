import { expect, test } from "vitest";
import { diceFor } from "../simulation/dice.ts";
import { engineInMix } from "./engine-mix.ts";
import { fillState } from "./fill-state.ts";
import { KillRounds, killFlags } from "./kill-rounds.ts";
import { report, startCluster } from "./start-cluster.ts";

// Both engines side by side: the first member has one of them, the others have the other. `npm run kills` goes on for longer.
test("members that die while they compact or install a snapshot come back with all that was acknowledged", async () => {
  const cluster = await startCluster({ serveFlags: killFlags, engineOf: (name) => engineInMix("mixed", name) });
  await fillState(cluster, 1);
  const rounds = new KillRounds(cluster, diceFor(20, "strike"));
  while (rounds.totals.compactionKills < 3) await rounds.killCompacting();
  await rounds.killInstalling(4);
  const { totals } = rounds;
  report(
    `${totals.compactionKills} kills during compaction, ${totals.leftRecords} of them with records left to remove; ` +
      `${totals.installationKills} during installation, ${totals.leftSnapshots} of them in the middle`,
  );
  expect(totals.acknowledgedWrites).toBeGreaterThan(500);
  expect(totals.leftSnapshots).toBeGreaterThan(0);
});
