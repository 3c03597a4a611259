import { Command, CommanderError } from "commander";
import { addBackupCommands } from "./backup-commands.ts";
import { addCheckCommands } from "./check-commands.ts";
import type { CliIo } from "./cli-io.ts";
import { addCompactCommand } from "./compact-command.ts";
import { addDevCommand } from "./dev/dev-command.ts";
import { exitCodeOf, exitCodes } from "./exit-code.ts";
import { type Act, addKvCommands } from "./kv-commands.ts";
import { addMemberCommands } from "./member-commands.ts";
import type { ProcessHost } from "./process-host.ts";
import { readVersion } from "./read-version.ts";
import { addRecoverCommand } from "./recover-command.ts";
import { type OutputFormat, renderJson } from "./render.ts";
import { reportError } from "./report-error.ts";
import type { StartMember } from "./running-member.ts";
import { addServeCommand } from "./serve-command.ts";
import { addStatusCommand } from "./status-command.ts";
import { addStorageCommands } from "./storage-commands.ts";

/** What the commands run on. */
export interface CliHost {
  readonly io: CliIo;
  readonly process: ProcessHost;
  readonly start: StartMember;
  /** What starts a member when its flags follow; for `dev`. */
  readonly serveCommand: readonly [string, ...string[]];
}

/** Runs the command line `given` (without the program's name) and returns the exit code; errors are written, not thrown. */
export async function runCli(given: readonly string[], host: CliHost): Promise<number> {
  const { io } = host;
  let code: number = exitCodes.ok;
  let format: OutputFormat | undefined;
  const act: Act =
    (action) =>
    async (...actionGiven) => {
      code = await action(...actionGiven);
    };
  const program = new Command("raftkv")
    .description("a replicated key-value service")
    .version(readVersion(), "-V, --version", "tell the version")
    .exitOverride()
    .showSuggestionAfterError()
    .configureOutput({ writeOut: (text) => void io.stdout.write(text), writeErr: (text) => void io.stderr.write(text) })
    .hook("preAction", (_, command) => {
      format = command.opts<{ output?: OutputFormat }>().output;
    });
  addServeCommand(program, io, act, host.process, host.start);
  addDevCommand(program, io, act, host.process, host.serveCommand);
  addKvCommands(program, io, act);
  addMemberCommands(program, io, act);
  addStatusCommand(program, io, act);
  addCompactCommand(program, io, act);
  addCheckCommands(program, io, act);
  addStorageCommands(program, io, act);
  addBackupCommands(program, io, act, host.process);
  addRecoverCommand(program, io, act);
  addVersionCommand(program, io);
  try {
    await program.parseAsync(given, { from: "user" });
    return code;
  } catch (error) {
    // commander has written its own errors already; help counts as one when nothing was asked for.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    reportError(error, format, io.stderr);
    return exitCodeOf(error);
  }
}

function addVersionCommand(program: Command, io: CliIo): void {
  program
    .command("version")
    .description("tell the version")
    .option("-o, --output <FORMAT>", "value or json", "value")
    .action(({ output }: { readonly output: string }) => {
      const facts = { version: readVersion(), node: process.versions.node };
      io.stdout.write(output === "json" ? renderJson(facts) : `${facts.version}\n`);
    });
}
