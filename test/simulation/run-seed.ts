import { brokenRuleOf } from "./broken-rule.ts";
import { drawPlan, type Overrides } from "./plan.ts";
import { type RunOptions, type RunReport, Simulation } from "./simulation.ts";

/** What a run came to: a report, or the rule that it broke. */
export type RunResult =
  | { readonly type: "passed"; readonly report: RunReport }
  | { readonly type: "broken"; readonly rule: string; readonly error: unknown };

/** Runs one seed to its end or to the first broken rule. */
export async function runSeed(seed: number, overrides: Overrides = {}, options: RunOptions = {}): Promise<RunResult> {
  // A run never waits for the event loop: signals, and whoever waits for messages of this process, get their turn here.
  await new Promise((resolve) => setImmediate(resolve));
  try {
    return { type: "passed", report: await new Simulation(drawPlan(seed, overrides), options).run() };
  } catch (error) {
    return { type: "broken", rule: brokenRuleOf(error), error };
  }
}
