import { Campaign, type CampaignTotals } from "./campaign.ts";
import { type CommandLine, parseCommandLine, usage } from "./command-line.ts";
import { situations } from "./coverage.ts";
import type { Overrides } from "./plan.ts";
import { readRegressions } from "./regressions.ts";
import { runSeed } from "./run-seed.ts";
import type { Job } from "./seed-job.ts";

// npm run sim -- --seeds N [--start S] [--minutes M] [--jobs N]   many seeds; a failing one is made smaller, printed as a command
// npm run sim -- --seed S [--trace] [what to leave out]           one seed
// npm run sim -- --regressions                                    the runs that once found a bug

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

async function runOne(seed: number, { overrides, settleAlways, trace }: CommandLine): Promise<boolean> {
  const result = await runSeed(seed, overrides, { settleAlways, ...(trace && { write: print }) });
  if (result.type === "broken") {
    const { error } = result;
    print(error instanceof Error ? (error.stack ?? error.message) : String(error));
    return false;
  }
  const { traceHash, events, virtualMs, operations } = result.report;
  print(`seed ${seed}: ${events} events, ${(virtualMs / 1000).toFixed(1)} s simulated, ${operations} operations`);
  print(`trace ${traceHash}`);
  return true;
}

function* seedsFrom(first: number, count: number, overrides: Overrides): Generator<Job> {
  for (let seed = first; seed < first + count; seed++) yield { seed, overrides };
}

async function runMany(jobs: Iterable<Job>, commandLine: CommandLine): Promise<CampaignTotals> {
  const campaign = new Campaign({ ...commandLine, print });
  // Ctrl-C prints what was done so far; a second one does not wait for the runs under way.
  process.once("SIGINT", () => campaign.stop());
  print(commandLine.regressions ? "runs that once found a bug" : `seeds from ${commandLine.start} on`);
  const totals = await campaign.run(jobs);
  const { seeds, failed, events, operations, searchedHistories, virtualMs, elapsedMs, cpuMs } = totals;
  print(
    `${seeds} seeds, ${failed} failed; ${events} events, ${operations} operations, ` +
      `${(virtualMs / 3.6e6).toFixed(2)} h simulated in ${(elapsedMs / 1000).toFixed(1)} s ` +
      `(${(cpuMs / 1000).toFixed(1)} s of processor: ${(virtualMs / cpuMs).toFixed(0)} simulated seconds in each)`,
  );
  if (searchedHistories > 0) print(`${searchedHistories} histories were decided by a search, not by the log's order`);
  return totals;
}

async function main(commandLine: CommandLine): Promise<boolean> {
  const { seed, seeds, start, regressions } = commandLine;
  if (seed !== undefined) return runOne(seed, commandLine);
  if (regressions) return (await runMany(readRegressions(), { ...commandLine, keepGoing: true })).failed === 0;
  if (seeds === undefined) {
    process.stderr.write(usage);
    return false;
  }
  const { failed, coverage } = await runMany(seedsFrom(start, seeds, commandLine.overrides), commandLine);
  // Many runs that all end well are asked what they have not met; a failure has something else to say.
  if (failed === 0) print(`never met: ${coverage.missing().join(", ") || "nothing"}`);
  if (commandLine.coverage) for (const situation of situations) print(`${coverage.count(situation)} ${situation}`);
  return failed === 0;
}

function readCommandLine(): CommandLine | undefined {
  try {
    return parseCommandLine(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return undefined;
  }
}

const commandLine = readCommandLine();
if (commandLine === undefined || !(await main(commandLine))) process.exitCode = 1;
