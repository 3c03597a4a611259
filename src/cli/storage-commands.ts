import { type Command, Option } from "commander";
import { convertStore } from "../storage/convert-store.ts";
import { type EngineName, engineNames } from "../storage/engine-directory.ts";
import type { CliIo } from "./cli-io.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import { ProgressLine } from "./progress-line.ts";
import { renderJson } from "./render.ts";

/** Adds storage convert; for the directory of a member that does not run. */
export function addStorageCommands(program: Command, io: CliIo, act: Act): void {
  const storage = program.command("storage").description("look after the data directory of a member that is stopped");
  storage
    .command("convert")
    .description("move the store to another engine")
    .argument("<dir>", "data directory")
    .addOption(new Option("--engine <NAME>", "engine to move to").choices(engineNames).makeOptionMandatory())
    .addOption(outputOption())
    .action(
      act(async (directory: string, { engine, output }: { readonly engine: EngineName; readonly output: string }) => {
        const progress = new ProgressLine(io.stderr, "copied");
        const { from, rows, bytes } = await convertStore(directory, engine, (done) => progress.update(done)).finally(
          () => progress.end(),
        );
        io.stdout.write(
          output === "json"
            ? renderJson({ directory, from, to: engine, rows, bytes })
            : `${directory}: moved from ${from} to ${engine}, ${rows} rows, ${bytes} bytes\n`,
        );
        return exitCodes.ok;
      }),
    );
}

function outputOption(): Option {
  return new Option("-o, --output <FORMAT>", "form of the answer").choices(["text", "json"]).default("text");
}
