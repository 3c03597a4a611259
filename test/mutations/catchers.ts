import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { type LimitedRun, runLimited } from "./limited-process.ts";
import type { Workspace } from "./workspace.ts";

/** What a catcher found: nothing, or what noticed the fault and the shortest run that shows it again. */
export type Finding =
  | { readonly type: "passed" }
  | { readonly type: "caught"; readonly by: string; readonly again: Catcher };

/** Something that may notice a fault. */
export interface Catcher {
  /** Equal names find the same in the same sources. */
  readonly name: string;
  readonly run: (workspace: Workspace, limitMs: number) => Promise<Finding>;
}

const vitest = "node_modules/vitest/vitest.mjs";
const coreFuzz = "test/raft/core-fuzz.test.ts";
const endless = (what: string) => `${what}: does not end`;

interface VitestReport {
  readonly testResults: readonly {
    readonly message: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly ancestorTitles: readonly string[];
      readonly title: string;
    }[];
  }[];
}

/** Runs the tests of a file, at most to the first that fails. */
export function testFile(file: string): Catcher {
  const self: Catcher = {
    name: file,
    run: async (workspace, limitMs) => {
      const { run, report } = await runVitest(workspace, file, limitMs, {});
      if (run.timedOut) return { type: "caught", by: endless(`\`${file}\``), again: self };
      if (run.code === 0) return { type: "passed" };
      const failed = report?.testResults.find(({ status }) => status === "failed");
      if (failed === undefined) throw new Error(`vitest failed without a failed test:\n${endOf(run.output)}`);
      const test = failed.assertionResults.find(({ status }) => status === "failed");
      if (test === undefined) throw new Error(`${file} does not load: ${failed.message}`);
      const name = [...test.ancestorTitles, test.title].join(" > ");
      return { type: "caught", by: `\`${file}\`: ${name}`, again: self };
    },
  };
  return self;
}

/** Random runs of the core alone, `count` of them from `first` on. */
export function coreRuns(first: number, count: number): Catcher {
  return {
    name: `core ${first} ${count}`,
    run: async (workspace, limitMs) => {
      const seeds =
        count === 1 ? { CORE_SEED: String(first) } : { CORE_SEED_FIRST: String(first), CORE_SEEDS: String(count) };
      const { run } = await runVitest(workspace, coreFuzz, limitMs, seeds);
      if (run.timedOut)
        return { type: "caught", by: endless("random runs of the core"), again: coreRuns(first, count) };
      if (run.code === 0) return { type: "passed" };
      const seed = /replay: CORE_SEED=(\d+)/.exec(run.output)?.[1];
      if (seed === undefined) {
        return {
          type: "caught",
          by: "random runs of the core: a situation never came up",
          again: coreRuns(first, count),
        };
      }
      const rule = /Error: (?:BrokenRule|RaftInvariantError|Error): (.+)/.exec(run.output)?.[1] ?? "an error";
      return { type: "caught", by: `core run ${seed}: ${rule}`, again: coreRuns(Number(seed), 1) };
    },
  };
}

/** Simulated clusters, `count` of them from seed `first` on. */
export function simulatedClusters(first: number, count: number): Catcher {
  return {
    name: `simulation ${first} ${count}`,
    run: async (workspace, limitMs) => {
      // The simulator stops between two seeds when its time is up; what has to be stopped hangs within one.
      const minutes = (limitMs * 0.75) / 60_000;
      const args = ["--seeds", count, "--start", first, "--minutes", minutes, "--no-shrink"].map(String);
      const run = await runLimited(
        ["--experimental-transform-types", "--disable-warning=ExperimentalWarning", "test/simulation/main.ts", ...args],
        { cwd: workspace.directory, limitMs },
      );
      if (run.timedOut)
        return { type: "caught", by: endless("a simulated cluster"), again: simulatedClusters(first, count) };
      if (run.code === 0) return { type: "passed" };
      const failure = /^seed (\d+) failed: (?:BrokenRule: )?([^:\n]+)/m.exec(run.output);
      if (failure === null) throw new Error(`the simulator failed without a seed:\n${endOf(run.output)}`);
      const [, seed, rule = ""] = failure;
      return { type: "caught", by: `simulator, seed ${seed}: ${rule}`, again: simulatedClusters(Number(seed), 1) };
    },
  };
}

async function runVitest(
  workspace: Workspace,
  file: string,
  limitMs: number,
  env: Readonly<Record<string, string>>,
): Promise<{ readonly run: LimitedRun; readonly report: VitestReport | undefined }> {
  const outputFile = join(workspace.directory, ".cache", "mutation.json");
  await rm(outputFile, { force: true });
  const args = ["--bail=1", "--maxWorkers=1", "--reporter=default", "--reporter=json", `--outputFile=${outputFile}`];
  const run = await runLimited([vitest, "run", file, ...args], {
    cwd: workspace.directory,
    limitMs,
    env,
  });
  const text = await readFile(outputFile, "utf8").catch(() => undefined);
  return { run, report: text === undefined ? undefined : (JSON.parse(text) as VitestReport) };
}

function endOf(output: string): string {
  return output.trimEnd().split("\n").slice(-20).join("\n");
}
