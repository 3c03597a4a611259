import { type Command, Option } from "commander";
import { type CompactionReport, compactCluster } from "../client/compact-cluster.ts";
import { countBetween } from "../config/option-type.ts";
import type { CliIo } from "./cli-io.ts";
import { addClientFlags, asArgument, type ClientFlags, clientTarget } from "./client-options.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import { renderBytes, renderJson, renderTable } from "./render.ts";

type CompactFlags = ClientFlags & { readonly trailingEntries?: number };

const trailingEntriesMax = 50_000_000;
const header = ["NAME", "ID", "FIRST", "LAST", "LOG_SIZE", "PROBLEM"];

/** Adds compact: one row for each member, whichever of them is asked; exit code 1 when a log could not be compacted. */
export function addCompactCommand(program: Command, io: CliIo, act: Act): void {
  const command = program.command("compact").description("forget log entries whose effects are in the durable state");
  command.argument("[member]", "name or id of a member; by default every member");
  command.addOption(
    new Option(
      "--trailing-entries <COUNT>",
      "applied entries to keep for followers that are behind (default: as the members' settings say)",
    ).argParser((text) => asArgument(countBetween(0, trailingEntriesMax).parse, text)),
  );
  addClientFlags(command, ["table", "json"]).action(
    act(async (member: string | undefined, { trailingEntries, ...flags }: CompactFlags) => {
      const { endpoints, timeoutMs } = clientTarget(flags, io);
      const reports = await compactCluster(endpoints, timeoutMs, { member, trailingEntries });
      if (reports.length === 0) {
        io.stderr.write(`raftkv: no member has the name or id ${JSON.stringify(member)}\n`);
        return exitCodes.notFound;
      }
      io.stdout.write(flags.output === "json" ? renderJson({ members: reports.map(toJson) }) : toTable(reports));
      return reports.every(({ log }) => log !== null) ? exitCodes.ok : exitCodes.error;
    }),
  );
}

function toJson({ name, memberId: id, log, failure }: CompactionReport) {
  const { firstIndex: first = null, lastIndex: last = null, logSizeBytes = null } = log ?? {};
  return { name, id, first, last, logSizeBytes, problem: failure };
}

function toTable(reports: readonly CompactionReport[]): string {
  const rows = reports.map(({ name, memberId, log, failure }) => {
    const figures = log === null ? ["-", "-", "-"] : [log.firstIndex, log.lastIndex, renderBytes(log.logSizeBytes)];
    return [name, memberId, ...figures.map(String), failure === "" ? "-" : failure];
  });
  return renderTable(header, rows);
}
