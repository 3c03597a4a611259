import { type Command, InvalidArgumentError, Option } from "commander";
import { checkStore } from "../storage/check-store.ts";
import { convertStore } from "../storage/convert-store.ts";
import { type DumpSpace, dumpStore } from "../storage/dump-store.ts";
import { type EngineName, engineNames } from "../storage/engine-directory.ts";
import type { CliIo } from "./cli-io.ts";
import { describeRow } from "./describe-row.ts";
import { exitCodes } from "./exit-code.ts";
import { commandAdvice, explainDiskFailure } from "./explain-disk-failure.ts";
import type { Act } from "./kv-commands.ts";
import { ProgressLine } from "./progress-line.ts";
import { renderJson } from "./render.ts";

interface OutputFlag {
  readonly output: "text" | "json";
}

/** Adds storage check, dump and convert; for the directory of a member that does not run. */
export function addStorageCommands(program: Command, io: CliIo, act: Act): void {
  const storage = program.command("storage").description("look after the data directory of a member that is stopped");
  addCheck(storage, io, act);
  addDump(storage, io, act);
  addConvert(storage, io, act);
}

function addCheck(storage: Command, io: CliIo, act: Act): void {
  withDirectory(storage.command("check").description("read all of it and tell everything that is damaged")).action(
    act(async (directory: string, { output }: OutputFlag) => {
      const progress = new ProgressLine(io.stderr, "checked");
      const found = await checkStore(directory, (bytes) => progress.update(bytes)).finally(() => progress.end());
      const { engine, store, logRecords, stateRows, damages, moreDamages } = found;
      const facts = { directory, engine, ...factsOf(store), logRecords, stateRows };
      if (output === "json") io.stdout.write(renderJson({ ...facts, damages, moreDamages }));
      else {
        for (const what of damages) io.stdout.write(`DAMAGED ${what}\n`);
        if (moreDamages > 0) io.stdout.write(`and ${moreDamages} more\n`);
        io.stdout.write(
          `${Object.entries(facts)
            .map(([name, value]) => `${name} ${value}`)
            .join("\n")}\n`,
        );
        const count = damages.length + moreDamages;
        io.stdout.write(count === 0 ? "no damage found\n" : `${count} damages; replace the member\n`);
      }
      return damages.length === 0 ? exitCodes.ok : exitCodes.error;
    }),
  );
}

function factsOf(store: Awaited<ReturnType<typeof checkStore>>["store"]) {
  if (store === undefined) return {};
  const { clusterId, memberId, base, recovered } = store;
  const { hardState, lastIndex, appliedIndex } = recovered;
  const { term, commitIndex } = hardState;
  return { clusterId, memberId, term, logFirstIndex: base.index + 1, lastIndex, commitIndex, appliedIndex };
}

interface DumpFlags extends OutputFlag {
  readonly log?: boolean;
  readonly state?: boolean;
  readonly meta?: boolean;
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

function addDump(storage: Command, io: CliIo, act: Act): void {
  withDirectory(storage.command("dump").description("write its rows, a line each"))
    .option("--meta", "the rows about the store and its peers")
    .option("--log", "log entries")
    .option("--state", "state rows; by default all three")
    .addOption(numberOption("--from <INDEX>", "first log entry", 1))
    .addOption(numberOption("--to <INDEX>", "last log entry", Number.MAX_SAFE_INTEGER - 1))
    .addOption(numberOption("--limit <ROWS>", "rows of each kind at most", 2 ** 31 - 1))
    .action(
      act(async (directory: string, { from, to, limit, output, ...chosen }: DumpFlags) => {
        await dumpStore(directory, { spaces: spacesOf(chosen), from, to, limit }, (row) => {
          const { line, json } = describeRow(row);
          io.stdout.write(output === "json" ? renderJson(json) : `${line}\n`);
        });
        return exitCodes.ok;
      }),
    );
}

function spacesOf({ meta, log, state }: Pick<DumpFlags, "meta" | "log" | "state">): DumpSpace[] {
  const all = meta !== true && log !== true && state !== true;
  return [
    ...(all || meta === true ? (["meta", "peer"] as const) : []),
    ...(all || log === true ? (["log"] as const) : []),
    ...(all || state === true ? (["state"] as const) : []),
  ];
}

function addConvert(storage: Command, io: CliIo, act: Act): void {
  withDirectory(storage.command("convert").description("move the store to another engine"))
    .addOption(new Option("--engine <NAME>", "engine to move to").choices(engineNames).makeOptionMandatory())
    .action(
      act(async (directory: string, { engine, output }: OutputFlag & { readonly engine: EngineName }) => {
        const progress = new ProgressLine(io.stderr, "copied");
        const { from, rows, bytes } = await convertStore(directory, engine, {
          onProgress: (done) => progress.update(done),
          explain: (error) => explainDiskFailure(error, directory, commandAdvice),
        }).finally(() => progress.end());
        io.stdout.write(
          output === "json"
            ? renderJson({ directory, from, to: engine, rows, bytes })
            : `${directory}: moved from ${from} to ${engine}, ${rows} rows, ${bytes} bytes\n`,
        );
        return exitCodes.ok;
      }),
    );
}

function withDirectory(command: Command): Command {
  return command
    .argument("<dir>", "data directory")
    .addOption(new Option("-o, --output <FORMAT>", "form of the answer").choices(["text", "json"]).default("text"));
}

function numberOption(flags: string, description: string, byDefault: number): Option {
  return new Option(flags, description).default(byDefault, byDefault === 1 ? "1" : "all").argParser((text) => {
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 1)
      throw new InvalidArgumentError("It must be a whole number from 1 on.");
    return value;
  });
}
