import type { Command } from "commander";
import { type MemberReport, readClusterStatus, type SnapshotProgress } from "../client/cluster-status.ts";
import type { CliIo } from "./cli-io.ts";
import { addClientFlags, type ClientFlags, clientTarget } from "./client-options.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import { renderBytes, renderJson, renderTable } from "./render.ts";

const header = ["NAME", "ID", "ADDRESS", "ROLE", "TERM", "COMMIT", "APPLIED", "FIRST", "SNAPSHOT", "PROBLEMS"];

/** Adds status: one row for each member, whichever of them is asked; exit code 1 when anything is wrong. */
export function addStatusCommand(program: Command, io: CliIo, act: Act): void {
  const command = program.command("status").description("tell the state of every member");
  addClientFlags(command, ["table", "json"]).action(
    act(async (flags: ClientFlags) => {
      const { endpoints, timeoutMs } = clientTarget(flags, io);
      // Half for the first round, half for the members that it makes known.
      const reports = await readClusterStatus(endpoints, timeoutMs / 2);
      const problems = clusterProblems(reports);
      const members = reports.map(toRow);
      if (flags.output === "json")
        io.stdout.write(renderJson({ healthy: isHealthy(problems, members), problems, members }));
      else {
        io.stdout.write(
          renderTable(
            header,
            members.map((row) => toCells(row, members)),
          ),
        );
        for (const problem of problems) io.stderr.write(`raftkv: ${problem}\n`);
      }
      return isHealthy(problems, members) ? exitCodes.ok : exitCodes.error;
    }),
  );
}

interface StatusRow {
  readonly name: string;
  readonly id: string;
  readonly address: string;
  readonly role: string;
  readonly term: number | null;
  readonly commit: number | null;
  readonly applied: number | null;
  readonly first: number | null;
  readonly receiving: SnapshotProgress | null;
  readonly sending: readonly SnapshotProgress[];
  readonly problems: readonly string[];
}

function toRow({ name, memberId, clientAddress, status, failure }: MemberReport): StatusRow {
  const identity = { name, id: memberId, address: clientAddress };
  if (status === null) {
    const unknown = { term: null, commit: null, applied: null, first: null, receiving: null, sending: [] };
    return { ...identity, role: "unreachable", ...unknown, problems: [failure] };
  }
  const { role, term, commitIndex: commit, appliedIndex: applied, firstIndex: first } = status;
  const { receiving, sending, problems } = status;
  return { ...identity, role, term, commit, applied, first, receiving, sending, problems };
}

function toCells(row: StatusRow, members: readonly StatusRow[]): string[] {
  const { name, id, address, role, term, commit, applied, first, receiving, sending, problems } = row;
  const nameOf = (memberId: string) => members.find((member) => member.id === memberId)?.name ?? memberId;
  const snapshots = [
    ...(receiving === null ? [] : [`from ${nameOf(receiving.memberId)} ${toShare(receiving)}`]),
    ...sending.map((progress) => `to ${nameOf(progress.memberId)} ${toShare(progress)}`),
  ];
  const cells = [name, id, address, role, term, commit, applied, first, snapshots.join("; "), problems.join("; ")];
  return cells.map((cell) => (cell === null || cell === "" ? "-" : String(cell)));
}

/** How much of a snapshot is there, in percent where the whole is known. */
function toShare({ bytes, totalBytes }: SnapshotProgress): string {
  return totalBytes === 0 ? renderBytes(bytes) : `${Math.min(100, Math.floor((100 * bytes) / totalBytes))}%`;
}

/** What is wrong with the cluster rather than with one member. */
function clusterProblems(reports: readonly MemberReport[]): string[] {
  const leaders = reports.filter(({ status }) => status?.role === "leader");
  return leaders.length === 0 ? ["no member that answered leads"] : [];
}

function isHealthy(problems: readonly string[], members: readonly StatusRow[]): boolean {
  return problems.length === 0 && members.every((row) => row.problems.length === 0);
}
