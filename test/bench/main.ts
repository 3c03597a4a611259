// Measures raftkv, and etcd beside it, on this machine: see `npm run bench -- --help`.
//
//   options ──> start a system ──> for each point: warm up, load (h2load or own), check ──> stop it ──> the next system
//                                                                  │
//                           bench/results/<date>-<label>.{json,svg} and latest.md <── table to stdout

import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { benchBigStores } from "./big.ts";
import { startEtcd } from "./etcd-system.ts";
import { callOnce } from "./grpc-wire.ts";
import { h2loadGenerator } from "./h2load.ts";
import type { LoadGenerator } from "./load-generator.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { benchKey, type Measurement, measurePoint, warmUpSystem } from "./measure-point.ts";
import { type BenchOptions, describeLoad, parseOptions, type SystemName, usage } from "./options.ts";
import { ownGenerator } from "./own-generator.ts";
import { profileLeader } from "./profile-leader.ts";
import { startRaftkv } from "./raftkv-system.ts";
import { type BenchRun, renderTable } from "./results.ts";
import { renderSvg } from "./svg-plot.ts";
import type { SystemUnderTest } from "./system-under-test.ts";

const resultsDirectory = join(import.meta.dirname, "../../bench/results");

async function main(): Promise<void> {
  if (process.argv.includes("--big")) {
    await benchBigStores(process.argv.slice(2), resultsDirectory);
    return;
  }
  const options = parseOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(usage);
    return;
  }
  const machine = describeMachine();
  const generator = options.ownGenerator || machine.h2loadVersion === undefined ? "own" : "h2load";
  const generate = generator === "own" ? ownGenerator : h2loadGenerator;
  if (generator === "own") say("h2load is not used: the own load generator takes part of the processors' time.");
  if (options.profile) await profile(options, generate);
  else await measure(options, machine, generator, generate);
}

async function profile(options: BenchOptions, generate: LoadGenerator): Promise<void> {
  const reports: string[] = [];
  for (const point of options.points) reports.push(await profileLeader(point, generate, options));
  const text = reports.join("\n");
  say(`\n${text}`);
  mkdirSync(resultsDirectory, { recursive: true });
  writeFileSync(join(resultsDirectory, `${today()}-${options.label}.md`), text);
}

async function measure(
  options: BenchOptions,
  machine: Machine,
  generator: BenchRun["generator"],
  generate: LoadGenerator,
): Promise<void> {
  const startedAt = new Date().toISOString();
  const versions: Partial<Record<SystemName, string>> = {};
  const measurements: Measurement[] = [];
  for (const name of options.systems) {
    const system = await start(name, machine);
    if (system === undefined) continue;
    versions[name] = system.version;
    try {
      measurements.push(...(await measureSystem(system, generate, options)));
    } finally {
      await system.stop();
    }
  }
  const { warmUpSeconds, measuredSeconds, valueBytes, label } = options;
  const settings = { generator, warmUpSeconds, measuredSeconds, valueBytes } as const;
  save({ startedAt, label, machine, versions, ...settings, measurements: sideBySide(measurements, options) });
}

async function start(name: SystemName, machine: Machine): Promise<SystemUnderTest | undefined> {
  if (name === "raftkv") return startRaftkv();
  if (machine.etcdVersion !== undefined) return startEtcd(machine.etcdVersion);
  say("etcd is not on the PATH: nothing to compare with.");
  return undefined;
}

async function measureSystem(
  system: SystemUnderTest,
  generate: LoadGenerator,
  options: BenchOptions,
): Promise<Measurement[]> {
  const [address = ""] = system.addresses;
  for (const position of system.addresses.keys()) {
    const { path, message } = system.putRequest(benchKey(position), Buffer.alloc(options.valueBytes, "v"));
    await callOnce(address, path, message);
  }
  await warmUpSystem(system, generate, options);
  const measurements: Measurement[] = [];
  for (const point of options.points) {
    const measured = await measurePoint(system, point, generate, options);
    const outcome = measured.fault ?? `${measured.ratePerSecond.toFixed(0)}/s`;
    say(`${system.name} ${point.operation} ${describeLoad(point)}: ${outcome}`);
    measurements.push(measured);
  }
  return measurements;
}

/** Orders by point, then by system, so that rows to be compared stand together. */
function sideBySide(measurements: readonly Measurement[], { points, systems }: BenchOptions): Measurement[] {
  const place = (of: Measurement) =>
    points.findIndex((point) => point.operation === of.operation && describeLoad(point) === describeLoad(of));
  return [...measurements].sort((a, b) => place(a) - place(b) || systems.indexOf(a.system) - systems.indexOf(b.system));
}

function save(run: BenchRun): void {
  const table = renderTable(run);
  const name = `${today()}-${run.label}`;
  mkdirSync(resultsDirectory, { recursive: true });
  writeFileSync(join(resultsDirectory, `${name}.json`), `${JSON.stringify(run, null, 2)}\n`);
  writeFileSync(join(resultsDirectory, `${name}.svg`), renderSvg(run));
  writeFileSync(join(resultsDirectory, "latest.md"), `# Latest run: ${name}\n\n${table}\n![plot](${name}.svg)\n`);
  say(`\n${table}\nWritten to bench/results/${name}.json, .svg and latest.md.`);
  const faults = run.measurements.filter(({ fault }) => fault !== null).length;
  if (faults === 0) return;
  say(`${faults} points are INVALID: what was measured is not what was asked for.`);
  process.exitCode = 1;
}

function today(): string {
  return new Date().toISOString().slice(0, 10);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

await main();
