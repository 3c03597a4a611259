import type { Command } from "commander";
import { compareHashes, type HashComparison, type HashReport } from "../client/compare-hashes.ts";
import type { CliIo } from "./cli-io.ts";
import { addClientFlags, type ClientFlags, clientTarget } from "./client-options.ts";
import { exitCodes } from "./exit-code.ts";
import type { Act } from "./kv-commands.ts";
import { renderBytes, renderJson, renderTable } from "./render.ts";
import { whileWaiting } from "./waiting-line.ts";

const header = ["NAME", "ID", "INDEX", "REVISION", "VERSION", "HASH", "ROWS", "SIZE", "PROBLEM"];

/** Digits of a hash that a table shows; JSON has all. */
const shownDigits = 16;

/** Adds check hash: one row for each member; exit code 1 when two states differ, or not all could be compared. */
export function addCheckCommands(program: Command, io: CliIo, act: Act): void {
  const check = program.command("check").description("look whether the cluster's data is whole");
  const hash = check.command("hash").description("compare the states of all members at one index");
  addClientFlags(hash, ["table", "json"]).action(
    act(async (flags: ClientFlags) => {
      const { endpoints, timeoutMs } = clientTarget(flags, io);
      const comparison = await compareAloud(io, endpoints, timeoutMs);
      const problem = problemOf(comparison);
      io.stdout.write(flags.output === "json" ? renderJson(toJson(comparison)) : toTable(comparison));
      if (flags.output !== "json" && problem !== null) io.stderr.write(`raftkv: ${problem}\n`);
      return problem === null ? exitCodes.ok : exitCodes.error;
    }),
  );
}

function compareAloud(io: CliIo, endpoints: readonly string[], timeoutMs: number): Promise<HashComparison> {
  let progress = "waiting for a checkpoint";
  const compare = () =>
    compareHashes(endpoints, timeoutMs, (done, members) => {
      progress = `hashed by ${done} of ${members} members`;
    });
  return whileWaiting(io.stderr, () => progress, compare);
}

function problemOf({ index, members, differ, stateVersions }: HashComparison): string | null {
  if (differ) return `the states of the members differ at index ${index}`;
  const silent = members.filter(({ state }) => state === null).map(({ name }) => name);
  if (stateVersions.length > 1) {
    const versions = stateVersions.join(" and ");
    return `members of the state versions ${versions} are not compared with each other; those of one version have the same state`;
  }
  return silent.length === 0 ? null : `not compared: ${silent.join(", ")}; the others have the same state`;
}

function toJson({ index, members, differ, stateVersions }: HashComparison) {
  return {
    index,
    agreed: !differ && stateVersions.length === 1 && members.every(({ state }) => state !== null),
    members: members.map(({ name, memberId: id, state, failure }) => {
      const { revision = null, stateVersion = null, hash = null, rows = null, sizeBytes = null } = state ?? {};
      return { name, id, revision, stateVersion, hash, rows, sizeBytes, problem: failure };
    }),
  };
}

function toTable({ index, members }: HashComparison): string {
  return renderTable(
    header,
    members.map((report) => toCells(report, index)),
  );
}

function toCells({ name, memberId, state, failure }: HashReport, index: number): string[] {
  if (state === null) return [name, memberId, String(index), "-", "-", "-", "-", "-", failure];
  const { revision, stateVersion, hash, rows, sizeBytes } = state;
  const figures = [
    String(revision),
    String(stateVersion),
    hash.slice(0, shownDigits),
    String(rows),
    renderBytes(sizeBytes),
  ];
  return [name, memberId, String(index), ...figures, "-"];
}
