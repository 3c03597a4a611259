import { commandOf } from "./command-line.ts";
import type { Situation } from "./coverage.ts";
import type { Overrides } from "./plan.ts";
import { runSeed } from "./run-seed.ts";
import { shrink } from "./shrink.ts";

/** A seed to be run, and how its run is to differ from what it says. */
export interface Job {
  readonly seed: number;
  readonly overrides: Overrides;
}

/** What running a job came to, as plain data that goes from one process to another. */
export interface JobResult {
  readonly seed: number;
  /** Why it failed and, if that was looked for, the command of a smaller run that fails alike. */
  readonly failure: { readonly description: string; readonly replay: string | undefined } | undefined;
  readonly events: number;
  readonly virtualMs: number;
  readonly operations: number;
  readonly searchedHistories: number;
  readonly coverage: readonly (readonly [Situation, number])[];
  /** Time of processor that the process has used since its last result, milliseconds. */
  readonly cpuMs: number;
}

let reportedCpuMs = 0;

/** Runs a job; a failing one is made smaller if `shrinks`. */
export async function runJob({ seed, overrides }: Job, shrinks: boolean): Promise<JobResult> {
  const result = await runSeed(seed, overrides);
  if (result.type === "passed") {
    const { events, operations, searchedHistories, coverage } = result.report;
    // Whole numbers have the same sum in whatever order they come in.
    const virtualMs = Math.round(result.report.virtualMs);
    const figures = { events, virtualMs, operations, searchedHistories, coverage: coverage.counts };
    return { seed, failure: undefined, ...figures, cpuMs: takeCpuMs() };
  }
  const { error, rule } = result;
  const description = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const replay = shrinks ? commandOf(seed, await shrink(seed, overrides, rule)) : undefined;
  const failure = { description, replay };
  const nothing = { events: 0, virtualMs: 0, operations: 0, searchedHistories: 0, coverage: [] };
  return { seed, failure, ...nothing, cpuMs: takeCpuMs() };
}

function takeCpuMs(): number {
  const { user, system } = process.cpuUsage();
  const totalMs = (user + system) / 1000;
  const sinceMs = totalMs - reportedCpuMs;
  reportedCpuMs = totalMs;
  return sinceMs;
}
