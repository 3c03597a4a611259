import type { Command } from "commander";
import { readMemberStatus } from "../../client/cluster-status.ts";
import { type Parsed, parsed, unparsed } from "../../config/parsed.ts";
import type { CliIo } from "../cli-io.ts";
import { asArgument } from "../client-options.ts";
import type { Act } from "../kv-commands.ts";
import type { ProcessHost } from "../process-host.ts";
import { dev } from "./dev.ts";
import { type DevOptions, devMembersMax } from "./dev-plan.ts";

/** Adds dev: a local cluster of real member processes. `command` starts a member when its flags follow. */
export function addDevCommand(
  program: Command,
  io: CliIo,
  act: Act,
  host: ProcessHost,
  command: readonly [string, ...string[]],
): void {
  const { NO_COLOR } = io.env;
  program
    .command("dev")
    .description("run a local cluster of real member processes until Ctrl-C")
    .option("--members <COUNT>", `how many, 1 to ${devMembersMax}`, numberBetween(1, devMembersMax), 3)
    .option("--data-dir <DIR>", "holds one directory for each member", "./data")
    .option("--client-port <PORT>", "first client port", port, 50_051)
    .option("--peer-port <PORT>", "first peer port", port, 7001)
    .option("--metrics-port <PORT>", "first metrics port", port, 9091)
    .action(
      act((options: DevOptions) =>
        dev(options, {
          process: host,
          command,
          readView: (clientAddress) => readMemberStatus(clientAddress, 1000),
          print: (line) => io.stdout.write(`${line}\n`),
          colour: io.stdout.isTTY === true && (NO_COLOR ?? "") === "",
          stopTimeoutMs: 30_000,
          pollIntervalMs: 500,
        }),
      ),
    );
}

const port = numberBetween(1, 65_535);

function numberBetween(min: number, max: number): (text: string) => number {
  const parse = (text: string): Parsed<number> => {
    const value = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? parsed(value) : unparsed(`it must be a whole number from ${min} to ${max}`);
  };
  return (text) => asArgument(parse, text);
}
