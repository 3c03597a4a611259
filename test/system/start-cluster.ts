import { onTestFailed, onTestFinished } from "vitest";
import { type ClusterOptions, createProcessCluster, type ProcessCluster } from "../lib/process-cluster.ts";

/** Flags with which nobody calls an election because a process stood still for a second or two; the first election takes longer. */
export const patientFlags: readonly string[] = ["--election-timeout", "3s"];

/** Lays out a cluster for the running test: its processes end with the test, and what they printed is shown if it fails. */
export async function layOutCluster(options: ClusterOptions = {}): Promise<ProcessCluster> {
  const cluster = await createProcessCluster(options);
  onTestFinished(() => cluster.dispose());
  onTestFailed(() => {
    process.stderr.write(`${cluster.describeOutput()}\n`);
  });
  return cluster;
}

/** Lays out a cluster for the running test, starts all its members and waits for a leader. */
export async function startCluster(options: ClusterOptions = {}): Promise<ProcessCluster> {
  const cluster = await layOutCluster(options);
  await cluster.start();
  await cluster.waitForLeader();
  return cluster;
}

/** Shows a measured figure in the test's output. */
export function report(line: string): void {
  process.stdout.write(`    ${line}\n`);
}
