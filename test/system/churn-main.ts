// Kills and wipes members of a real cluster under a write load, for as many minutes as it is told; see usage below. The seed
// repeats the order of the strikes, as far as processes can be repeated.

import { parseArgs } from "node:util";
import { createProcessCluster } from "../lib/process-cluster.ts";
import { diceFor } from "../simulation/dice.ts";
import { churn, churnFlags } from "./churn.ts";
import { engineInMix, engineMixNamed } from "./engine-mix.ts";
import { numberOption, runOnCluster } from "./run-on-cluster.ts";

const usage = `npm run churn -- --minutes M [--seed S] [--engine classic-level|rocksdb|mixed]

Three members with short logs under a write load; members are killed, all at once too, or lose their data and are replaced.
Every log stays short; in the end every acknowledged write is there, counters are exact and states equal. The command must
have been built.
`;

const { values } = parseArgs({
  options: {
    minutes: { type: "string" },
    seed: { type: "string", default: "1" },
    engine: { type: "string", default: "mixed" },
  },
});
const minutes = numberOption("minutes", values.minutes);
const seed = numberOption("seed", values.seed);
if (minutes === undefined || seed === undefined) {
  process.stderr.write(usage);
  process.exitCode = 1;
} else {
  const mix = engineMixNamed(values.engine);
  const cluster = await createProcessCluster({ serveFlags: churnFlags, engineOf: (name) => engineInMix(mix, name) });
  await runOnCluster(cluster, `npm run churn -- --minutes ${minutes} --seed ${seed} --engine ${mix}`, async (say) => {
    const totals = await churn(cluster, { seconds: minutes * 60, dice: diceFor(seed, "strike"), say });
    say(`done: ${JSON.stringify(totals)}`);
  });
}
