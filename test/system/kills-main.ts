// Kills members of a real cluster while they compact and install snapshots, for as many rounds as it is told; see usage below.
// The seed repeats who is struck when, as far as processes can be repeated.

import { parseArgs } from "node:util";
import { createProcessCluster } from "../lib/process-cluster.ts";
import { diceFor } from "../simulation/dice.ts";
import { engineInMix, engineMixNamed } from "./engine-mix.ts";
import { fillState } from "./fill-state.ts";
import { KillRounds, killFlags } from "./kill-rounds.ts";
import { numberOption, runOnCluster } from "./run-on-cluster.ts";

const usage = `npm run kills -- --rounds N [--seed S] [--engine classic-level|rocksdb|mixed]

Three members under a write load; each round kills during a compaction, or up to four times during the installation of one
snapshot, and then finds every acknowledged write, exact counters and equal states. The command must have been built.
`;

const { values } = parseArgs({
  options: {
    rounds: { type: "string" },
    seed: { type: "string", default: "1" },
    engine: { type: "string", default: "mixed" },
  },
});
const rounds = numberOption("rounds", values.rounds);
const seed = numberOption("seed", values.seed);
if (rounds === undefined || seed === undefined) {
  process.stderr.write(usage);
  process.exitCode = 1;
} else {
  const mix = engineMixNamed(values.engine);
  const cluster = await createProcessCluster({ serveFlags: killFlags, engineOf: (name) => engineInMix(mix, name) });
  await runOnCluster(cluster, `npm run kills -- --rounds ${rounds} --seed ${seed} --engine ${mix}`, async (say) => {
    await fillState(cluster, 1);
    const kills = new KillRounds(cluster, diceFor(seed, "strike"));
    for (let round = 0; round < rounds; round++) {
      if (round % 2 === 0) await kills.killCompacting();
      else await kills.killInstalling(4);
      if ((round + 1) % 10 === 0 || round + 1 === rounds) say(JSON.stringify(kills.totals));
    }
  });
}
