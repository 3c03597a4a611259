import { startProcess } from "../lib/child-process.ts";
import { type ClusterMember, raftkvCommand } from "../lib/process-cluster.ts";

/** Runs the command against one member and gives what it wrote as JSON; throws unless it ends with 0, or as `status` does with 1. */
export async function runRaftkv<T>(member: ClusterMember, ...line: readonly string[]): Promise<T> {
  const where = ["--endpoints", member.clientAddress, "--timeout", "20s", "--output", "json"];
  const command = await startProcess(process.execPath, [raftkvCommand, ...line, ...where]);
  const { code } = await command.exited;
  const mayFindProblems = line[0] === "status";
  if (code !== 0 && !(mayFindProblems && code === 1))
    throw new Error(`raftkv ${line.join(" ")} ended with ${code}: ${command.output.join("\n")}`);
  return JSON.parse(command.output.at(-1) ?? "") as T;
}
