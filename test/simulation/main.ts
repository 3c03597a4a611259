import { parseArgs } from "node:util";
import { Coverage, situations } from "./coverage.ts";
import type { Overrides } from "./plan.ts";
import { commandOf, type RunResult, runSeed } from "./run-seed.ts";
import { shrink } from "./shrink.ts";

// npm run sim -- --seeds N [--start S] [--minutes M]     many seeds; a failing one is made smaller and printed as a command
// npm run sim -- --seed S [--trace] [what to leave out]  one seed

const usage = `npm run sim -- --seeds N [--start S] [--minutes M] [--keep-going]
npm run sim -- --seed S [--trace] [--strikes 1,2|none] [--members N] [--clients N] [--operations N] [--until MS]
                        [--calm-network] [--calm-disk]
`;

const { values } = parseArgs({
  options: {
    seeds: { type: "string" },
    start: { type: "string", default: "1" },
    minutes: { type: "string" },
    "keep-going": { type: "boolean", default: false },
    seed: { type: "string" },
    trace: { type: "boolean", default: false },
    strikes: { type: "string" },
    members: { type: "string" },
    clients: { type: "string" },
    operations: { type: "string" },
    until: { type: "string" },
    "calm-network": { type: "boolean", default: false },
    "calm-disk": { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    "settle-always": { type: "boolean", default: false },
    "no-shrink": { type: "boolean", default: false },
  },
});

const print = (line: string): void => {
  process.stdout.write(`${line}\n`);
};

function overridesOf(): Overrides {
  const { strikes, members, clients, operations, until } = values;
  return {
    ...(strikes !== undefined && { strikes: strikes === "none" ? [] : strikes.split(",").map(Number) }),
    ...(members !== undefined && { size: Number(members) }),
    ...(clients !== undefined && { clients: Number(clients) }),
    ...(operations !== undefined && { operations: Number(operations) }),
    ...(until !== undefined && { untilMs: Number(until) }),
    ...(values["calm-network"] && { calmNetwork: true }),
    ...(values["calm-disk"] && { calmDisk: true }),
  };
}

async function runOne(seed: number): Promise<boolean> {
  const result = await runSeed(seed, overridesOf(), {
    settleAlways: values["settle-always"],
    ...(values.trace && { write: print }),
  });
  if (result.type === "broken") {
    print(describe(result));
    return false;
  }
  const { traceHash, events, virtualMs, operations } = result.report;
  print(`seed ${seed}: ${events} events, ${(virtualMs / 1000).toFixed(1)} s simulated, ${operations} operations`);
  print(`trace ${traceHash}`);
  return true;
}

function describe({ error }: Extract<RunResult, { type: "broken" }>): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function runMany(first: number, count: number, minutes: number): Promise<boolean> {
  const coverage = new Coverage();
  const begunMs = performance.now();
  const totals = { seeds: 0, events: 0, virtualMs: 0, operations: 0, failed: 0 };
  for (let seed = first; seed < first + count; seed++) {
    if (performance.now() - begunMs > minutes * 60_000) break;
    totals.seeds++;
    const result = await runSeed(seed);
    if (result.type === "broken") {
      totals.failed++;
      await explain(seed, result);
      if (!values["keep-going"]) break;
      continue;
    }
    const { report } = result;
    coverage.add(report.coverage);
    totals.events += report.events;
    totals.virtualMs += report.virtualMs;
    totals.operations += report.operations;
  }
  const seconds = (performance.now() - begunMs) / 1000;
  const { user, system } = process.cpuUsage();
  const cpuSeconds = (user + system) / 1e6;
  print(
    `${totals.seeds} seeds, ${totals.failed} failed; ${totals.events} events, ${totals.operations} operations, ` +
      `${(totals.virtualMs / 3.6e6).toFixed(2)} h simulated in ${seconds.toFixed(1)} s ` +
      `(${(totals.virtualMs / 1000 / cpuSeconds).toFixed(0)} simulated seconds a second of processor)`,
  );
  print(`never met: ${coverage.missing.join(", ") || "nothing"}`);
  if (values.coverage) for (const situation of situations) print(`${coverage.count(situation)} ${situation}`);
  return totals.failed === 0;
}

async function explain(seed: number, result: Extract<RunResult, { type: "broken" }>): Promise<void> {
  print(`seed ${seed} failed: ${describe(result)}`);
  if (values["no-shrink"]) return;
  const smaller = await shrink(seed, {}, result.rule);
  print(`replay: ${commandOf(seed, smaller)}`);
}

async function main(): Promise<boolean> {
  if (values.seed !== undefined) return runOne(Number(values.seed));
  if (values.seeds !== undefined || values.minutes !== undefined) {
    const count = values.seeds === undefined ? Number.POSITIVE_INFINITY : Number(values.seeds);
    return runMany(Number(values.start), count, Number(values.minutes ?? Number.POSITIVE_INFINITY));
  }
  process.stderr.write(usage);
  return false;
}

if (!(await main())) process.exitCode = 1;
