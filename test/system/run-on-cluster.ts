import { mkdtempSync, renameSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ProcessCluster } from "../lib/process-cluster.ts";

/**
 * Starts a cluster, runs `task` on it and stops it. When the task fails, everything of the cluster is killed, its directories
 * are kept, and the error, what the members printed last and the `command` that repeats the run go to standard error.
 */
export async function runOnCluster(
  cluster: ProcessCluster,
  command: string,
  task: (say: (line: string) => void) => Promise<void>,
): Promise<void> {
  const startedAt = performance.now();
  const say = (line: string): void => {
    process.stdout.write(`${((performance.now() - startedAt) / 1000).toFixed(0)} s: ${line}\n`);
  };
  try {
    await cluster.start();
    await cluster.waitForLeader();
    await task(say);
  } catch (error) {
    await cluster.kill(...cluster.members.map(({ name }) => name));
    const kept = mkdtempSync(join(tmpdir(), "raftkv-failed-"));
    for (const { name, dataDirectory } of cluster.members) renameSync(dataDirectory, join(kept, name));
    const text = error instanceof Error ? error.stack : String(error);
    process.stderr.write(`${cluster.describeOutput()}\n${text}\ndirectories: ${kept}\nrepeat: ${command}\n`);
    process.exitCode = 1;
  } finally {
    await cluster.dispose();
  }
}

/** A number of a command line; `undefined` when it is missing. Throws when it is none. */
export function numberOption(name: string, given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const value = Number(given);
  if (given === "" || !(value >= 0)) throw new Error(`--${name} is ${given}, no number`);
  return value;
}
