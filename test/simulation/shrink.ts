import { drawPlan, type Overrides } from "./plan.ts";
import { runSeed } from "./run-seed.ts";

/** How hard to try. */
export interface ShrinkOptions {
  /** Runs at most. Default 150. */
  readonly runsMax?: number;
}

/** Makes a failing run smaller while it breaks the same rule: fewer strikes, clients, operations and members, a calmer world. */
export async function shrink(
  seed: number,
  given: Overrides,
  rule: string,
  { runsMax = 150 }: ShrinkOptions = {},
): Promise<Overrides> {
  let best = given;
  let runsLeft = runsMax;
  const attempt = async (smaller: Overrides): Promise<boolean> => {
    if (runsLeft-- <= 0) return false;
    const result = await runSeed(seed, smaller);
    if (result.type !== "broken" || result.rule !== rule) return false;
    best = smaller;
    return true;
  };
  await shrinkStrikes(
    () => best,
    drawPlan(seed, given).strikes.map(({ number }) => number),
    attempt,
  );
  await attempt({ ...best, calmNetwork: true });
  await attempt({ ...best, calmDisk: true });
  await attempt({ ...best, calmClocks: true });
  await attempt({ ...best, longLogs: true });
  const { workload, faultsMs, size } = drawPlan(seed, best);
  for (let clients = 1; clients < workload.clients; clients++) if (await attempt({ ...best, clients })) break;
  for (let operations = workload.operationsMax >> 1; operations > 0; operations >>= 1) {
    if (!(await attempt({ ...best, operations }))) break;
  }
  for (let untilMs = Math.round(faultsMs / 2); untilMs > 10; untilMs = Math.round(untilMs / 2)) {
    if (!(await attempt({ ...best, untilMs }))) break;
  }
  for (const members of [1, 2, 3, 5]) {
    if (members < size && (await attempt({ ...best, size: members }))) break;
  }
  return best;
}

/** Takes out runs of strikes, halves first and single ones last (Zeller's ddmin, without the complements). */
async function shrinkStrikes(
  best: () => Overrides,
  all: readonly number[],
  attempt: (smaller: Overrides) => Promise<boolean>,
): Promise<void> {
  let kept = [...all];
  if (await attempt({ ...best(), strikes: [] })) return;
  for (let length = Math.ceil(kept.length / 2); length >= 1; length = length === 1 ? 0 : Math.ceil(length / 2)) {
    for (let from = 0; from < kept.length; ) {
      const strikes = [...kept.slice(0, from), ...kept.slice(from + length)];
      if (await attempt({ ...best(), strikes })) kept = strikes;
      else from += length;
    }
  }
}
