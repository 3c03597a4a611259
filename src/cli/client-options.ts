import { type Command, InvalidArgumentError, Option } from "commander";
import { parseAddressList } from "../config/address-list.ts";
import { parseDuration } from "../config/duration.ts";
import { type Parsed, unparsed } from "../config/parsed.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { CliIo } from "./cli-io.ts";
import type { OutputFormat } from "./render.ts";

/** Longest `--timeout`, milliseconds. */
const timeoutMsMax = 3_600_000;

/** HOST:PORT of members, at least one. */
export type Endpoints = readonly [string, ...string[]];

/** Flags that every client command takes, as parsed; absent ones follow from the environment or a default. */
export interface ClientFlags {
  readonly endpoints?: Endpoints;
  readonly timeout?: number;
  readonly output: OutputFormat;
}

/** Whom to ask, and how long. */
export interface ClientTarget {
  readonly endpoints: Endpoints;
  readonly timeoutMs: number;
}

/** Adds the flags to a command; the first of `formats` is the default. */
export function addClientFlags(command: Command, formats: readonly [OutputFormat, ...OutputFormat[]]): Command {
  return command
    .addOption(
      new Option(
        "--endpoints <ADDRESSES>",
        "members to ask, HOST:PORT,… (RAFTKV_ENDPOINTS; default localhost:50051)",
      ).argParser((text) => asArgument(parseAddressList, text)),
    )
    .addOption(
      new Option(
        "--timeout <DURATION>",
        "for the whole command, retries included (RAFTKV_TIMEOUT; default 5s)",
      ).argParser((text) => asArgument(parseTimeout, text)),
    )
    .addOption(
      new Option("-o, --output <FORMAT>", "how to write the result").choices([...formats]).default(formats[0]),
    );
}

/** Fills in what the flags leave open. Throws `CONFIG_INVALID`, naming the variable, when the environment is wrong. */
export function clientTarget(flags: ClientFlags, { env }: CliIo): ClientTarget {
  return {
    endpoints: flags.endpoints ?? fromVariable(env, "RAFTKV_ENDPOINTS", parseAddressList) ?? ["localhost:50051"],
    timeoutMs: flags.timeout ?? fromVariable(env, "RAFTKV_TIMEOUT", parseTimeout) ?? 5000,
  };
}

/** What a variable of the environment says; `undefined` when it is not set. Throws `CONFIG_INVALID`, naming it, when it is wrong. */
export function fromVariable<T>(env: CliIo["env"], name: string, parse: (text: string) => Parsed<T>): T | undefined {
  const text = env[name];
  if (text === undefined) return undefined;
  const result = parse(text);
  if (result.ok) return result.value;
  throw new RaftKvError("CONFIG_INVALID", `${name} is ${JSON.stringify(text)}: ${result.problem}`);
}

/** Parses a flag's value the way commander wants its failure told. */
export function asArgument<T>(parse: (text: string) => Parsed<T>, text: string): T {
  const result = parse(text);
  if (result.ok) return result.value;
  throw new InvalidArgumentError(result.problem);
}

function parseTimeout(text: string): Parsed<number> {
  const result = parseDuration(text);
  if (!result.ok || (result.value > 0 && result.value <= timeoutMsMax)) return result;
  return unparsed("it must lie between 1ms and 1h");
}
