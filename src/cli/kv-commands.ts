import { type Command, Option } from "commander";
import { createClient, type RaftKvClient, type WriteOptions, type WriteResult } from "../client/raftkv-client.ts";
import { type Parsed, parsed, unparsed } from "../config/parsed.ts";
import type { CliIo } from "./cli-io.ts";
import { addClientFlags, asArgument, type ClientFlags, clientTarget } from "./client-options.ts";
import { exitCodes } from "./exit-code.ts";
import { readValue } from "./read-value.ts";
import { refuseLongValue } from "./refuse-long-value.ts";
import { entryJson, renderCell, renderJson, renderTable } from "./render.ts";

type WriteFlags = ClientFlags & WriteOptions;
type GetFlags = ClientFlags & { readonly consistency: "linearizable" | "stale" };

/** Runs a command's action; its number is the exit code. */
export type Act = <A extends unknown[]>(action: (...given: A) => Promise<number>) => (...given: A) => Promise<void>;

/** Adds put, get, delete and increment. */
export function addKvCommands(program: Command, io: CliIo, act: Act): void {
  const put = program.command("put").description("write one key");
  put.argument("<key>").argument("<value>", 'the value; "-" reads it from standard input, bytes as they are');
  addWriteFlags(put).action(
    act((key: string, value: string, flags: WriteFlags) =>
      withClient(flags, io, async (client) => {
        const given = value === "-" ? await readValue(io.stdin) : value;
        await refuseLongValue(given, clientTarget(flags, io));
        const result = await client.put(key, given, flags);
        return writeResult(io, flags, key, result, {}, String(result.revision));
      }),
    ),
  );

  const get = program.command("get").description("read one key").argument("<key>");
  get.addOption(
    new Option("--consistency <LEVEL>", "stale: whatever the member asked has")
      .choices(["linearizable", "stale"])
      .default("linearizable"),
  );
  addClientFlags(get, ["value", "table", "json"]).action(
    act((key: string, flags: GetFlags) => withClient(flags, io, (client) => getKey(client, io, key, flags))),
  );

  const remove = program.command("delete").description("delete one key").argument("<key>");
  addWriteFlags(remove).action(
    act((key: string, flags: WriteFlags) =>
      withClient(flags, io, async (client) => {
        const result = await client.delete(key, flags);
        const code = writeResult(io, flags, key, result, { deleted: result.deleted }, String(result.deleted));
        return code === exitCodes.ok && result.deleted === 0 ? exitCodes.notFound : code;
      }),
    ),
  );

  const increment = program.command("increment").description("add to a decimal integer; a missing key counts as 0");
  increment.argument("<key>").argument("[delta]", "what to add, may be negative", parseDelta, 1n);
  addWriteFlags(increment, ["value", "table", "json"]).action(
    act((key: string, delta: bigint, flags: WriteFlags) =>
      withClient(flags, io, async (client) => {
        const result = await client.increment(key, delta, flags);
        const value = result.value === null ? null : String(result.value);
        return writeResult(io, flags, key, result, { value }, value ?? "");
      }),
    ),
  );
}

function addWriteFlags(
  command: Command,
  formats: Parameters<typeof addClientFlags>[1] = ["table", "json", "value"],
): Command {
  command.addOption(
    new Option(
      "--if-mod-revision <REVISION>",
      "only if the key is at this revision; 0: only if it does not exist",
    ).argParser((text) => asArgument(parseRevision, text)),
  );
  command.option("--return-previous", "tell the pair that was replaced or deleted");
  return addClientFlags(command, formats);
}

async function withClient(
  flags: ClientFlags,
  io: CliIo,
  use: (client: RaftKvClient) => Promise<number>,
): Promise<number> {
  const client = createClient(clientTarget(flags, io));
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

async function getKey(client: RaftKvClient, { stdout, stderr }: CliIo, key: string, flags: GetFlags): Promise<number> {
  const { entry, revision } = await client.get(key, { consistency: flags.consistency });
  if (flags.output === "json") stdout.write(renderJson({ found: entry !== null, revision, kv: entryJson(entry) }));
  else if (entry === null) stderr.write(`raftkv: key ${JSON.stringify(key)} does not exist\n`);
  else if (flags.output === "value") {
    // Exact bytes, so that files survive; the line end is for the eyes only.
    stdout.write(entry.value);
    if (stdout.isTTY === true) stdout.write("\n");
  } else {
    const cells = [entry.key, renderCell(entry.value), entry.modRevision, entry.createRevision, entry.version].map(
      String,
    );
    stdout.write(renderTable(["KEY", "VALUE", "MOD_REVISION", "CREATE_REVISION", "VERSION"], [cells]));
  }
  return entry === null ? exitCodes.notFound : exitCodes.ok;
}

/** Writes what a write did. `facts` are the columns of this kind of write, `value` what `-o value` writes. */
function writeResult(
  { stdout, stderr }: CliIo,
  flags: WriteFlags,
  key: string,
  result: WriteResult,
  facts: Readonly<Record<string, string | number | null>>,
  value: string,
): number {
  const { applied, revision, previous } = result;
  const refused = applied ? exitCodes.ok : exitCodes.preconditionFailed;
  if (flags.output === "json") {
    stdout.write(renderJson({ key, applied, revision, ...facts, previous: entryJson(previous) }));
  } else if (!applied) {
    const current = previous === null ? "it does not exist" : `it is at ${previous.modRevision}`;
    stderr.write(
      `raftkv: not applied: key ${JSON.stringify(key)} is not at revision ${flags.ifModRevision}; ${current}\n`,
    );
  } else if (flags.output === "value") stdout.write(`${value}\n`);
  else {
    const header = ["KEY", "REVISION", ...Object.keys(facts).map((name) => name.toUpperCase())];
    const cells = [key, String(revision), ...Object.values(facts).map(String)];
    const [more, cell] =
      flags.returnPrevious === true ? [["PREVIOUS"], [previous === null ? "-" : renderCell(previous.value)]] : [[], []];
    stdout.write(renderTable([...header, ...more], [[...cells, ...cell]]));
  }
  return refused;
}

function parseDelta(text: string): bigint {
  return asArgument((given): Parsed<bigint> => {
    const delta = /^[+-]?\d{1,19}$/.test(given) ? BigInt(given.replace(/^\+/, "")) : undefined;
    return delta !== undefined && BigInt.asIntN(64, delta) === delta
      ? parsed(delta)
      : unparsed("a delta is a whole number of 64 bits, such as 5 or -5");
  }, text);
}

function parseRevision(text: string): Parsed<number> {
  const revision = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(revision) ? parsed(revision) : unparsed("a revision is a whole number");
}
