// A large store on each engine, in the order in which an operator meets it:
//
//   load ──> size and write amplification ──> restart of a follower ──> a follower from empty, writes going on
//
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { engineNames } from "../../src/storage/engine-directory.ts";
import { type BigMeasurement, measureBigStore } from "./big-store.ts";
import { describeMachine, type Machine } from "./machine.ts";

/** Help of `npm run bench -- --big`. */
export const bigUsage = `Usage: npm run bench -- --big [options]

  --keys N         keys to load; 1000000 by default
  --value-bytes N  bytes of each value; 256 by default
  --background N   writes under way while a follower is filled; 8 by default
  --restored       load them by restoring a backup that holds them, not by Put, which takes an hour for ten million
  --engines LIST   classic-level,rocksdb by default
  --label NAME     part of the result's file name; "big" by default
`;

/** Reads the command line and measures; writes a table and a JSON file into `directory`. */
export async function benchBigStores(args: readonly string[], directory: string): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      big: { type: "boolean" },
      help: { type: "boolean", default: false },
      keys: { type: "string", default: "1000000" },
      "value-bytes": { type: "string", default: "256" },
      background: { type: "string", default: "8" },
      restored: { type: "boolean", default: false },
      engines: { type: "string", default: engineNames.join(",") },
      label: { type: "string", default: "big" },
    },
  });
  if (values.help) {
    process.stdout.write(bigUsage);
    return;
  }
  const keys = Number(values.keys);
  if (!(Number.isInteger(keys) && keys > 0 && keys <= 2 ** 31)) throw new Error(`--keys is ${values.keys}`);
  const valueBytes = Number(values["value-bytes"]);
  if (!(Number.isInteger(valueBytes) && valueBytes > 0 && valueBytes <= 2 ** 20)) {
    throw new Error(`--value-bytes is ${values["value-bytes"]}; it may be up to 1048576`);
  }
  const background = Number(values.background);
  if (!(Number.isInteger(background) && background >= 0 && background <= 128)) {
    throw new Error(`--background is ${values.background}; it may be up to 128`);
  }
  const engines = engineNames.filter((name) => values.engines.split(",").includes(name));
  const machine = describeMachine();
  const startedAt = new Date().toISOString();
  const kind = values.restored ? "restore" : "put";
  const measurements: BigMeasurement[] = [];
  const load = { kind, keys, valueBytes, background } as const;
  for (const engine of engines) measurements.push(await measureBigStore(engine, load, say));
  const name = `${startedAt.slice(0, 10)}-${values.label}`;
  const table = renderBigTable(measurements, machine);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, `${name}.json`), `${JSON.stringify({ startedAt, machine, measurements }, null, 2)}\n`);
  writeFileSync(join(directory, `${name}.md`), `# ${name}\n\n${table}`);
  say(`\n${table}\nWritten to bench/results/${name}.json and .md.`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const mebibyte = 2 ** 20;

/** One column an engine. */
function renderBigTable(measurements: readonly BigMeasurement[], machine: Machine): string {
  const row = (what: string, figure: (of: BigMeasurement) => string): string =>
    `| ${[what, ...measurements.map(figure)].join(" | ")} |`;
  const mib = (bytes: number): string => `${Math.round(bytes / mebibyte).toLocaleString("en")} MiB`;
  const ms = (value: number): string => `${Math.round(value).toLocaleString("en")} ms`;
  return [
    `Three members and the load on one machine: ${machine.cpuModel}, ${machine.cpuCount} cores, ${machine.memoryGiB} GiB,`,
    `Linux ${machine.kernel}, Node ${machine.nodeVersion}; load average before: ${machine.loadBefore.toFixed(2)}. Keys of 12 bytes,`,
    `values of ${measurements[0]?.valueBytes} bytes.`,
    "",
    row("", ({ engine }) => engine),
    row("---", () => "---"),
    row("keys", ({ load }) => load.keys.toLocaleString("en")),
    row(
      measurements[0]?.loadKind === "restore" ? "restore of a member" : "load",
      ({ load }) => `${load.seconds.toFixed(0)} s, ${Math.round(load.keys / load.seconds).toLocaleString("en")} keys/s`,
    ),
    row("size on disk of a member", ({ diskBytes }) => mib(diskBytes)),
    row("size beside keys and values", ({ diskBytes, load }) => `${(diskBytes / load.bytes).toFixed(2)} x`),
    row("written to disk by a member", ({ writtenBytes }) => mib(writtenBytes)),
    row("write amplification", ({ writtenBytes, load }) => `${(writtenBytes / load.bytes).toFixed(2)} x`),
    row("restart after SIGTERM, to ready", ({ restart }) => ms(restart.readyMs)),
    row("entries applied again by that", ({ restart }) => String(restart.appliedAgain)),
    row("restart after SIGKILL, to ready", ({ restartAfterKill }) => ms(restartAfterKill.readyMs)),
    row("entries applied again by that", ({ restartAfterKill }) => String(restartAfterKill.appliedAgain)),
    row("snapshot for an empty follower", ({ catchUp }) => mib(catchUp.bytes)),
    row(
      "from asking for it to running on it",
      ({ catchUp, load }) => `${ms(catchUp.transferMs)}, ${rate(load.bytes, catchUp.transferMs)}`,
    ),
    row("until it has all that was written meanwhile", ({ catchUp }) => ms(catchUp.caughtUpMs)),
    row("writes meanwhile", ({ catchUp }) => `${Math.round(catchUp.writesPerSecond)}/s, ${catchUp.retries} refused`),
    row("elections meanwhile", ({ catchUp }) => String(catchUp.elections)),
    row(
      "memory of the leader, before and most",
      ({ catchUp: { leader } }) => `${mib(leader.before.own)}, ${mib(leader.most.own)}`,
    ),
    row("memory of the follower, most", ({ catchUp: { follower } }) => mib(follower.most.own)),
    row(
      "files mapped by the leader, before and most",
      ({ catchUp: { leader } }) => `${mib(leader.before.mapped)}, ${mib(leader.most.mapped)}`,
    ),
    row("files mapped by the follower, most", ({ catchUp: { follower } }) => mib(follower.most.mapped)),
    "",
  ].join("\n");
}

/** How fast a state came: its keys and values, whatever form they took on the way. */
function rate(stateBytes: number, transferMs: number): string {
  return `${(stateBytes / 1e6 / (transferMs / 1000)).toFixed(1)} MB/s`;
}
