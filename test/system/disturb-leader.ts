import type { ProcessCluster } from "../lib/process-cluster.ts";

/** Kills the leader, waits until the others have a new one, and starts it again. */
export async function killLeader(cluster: ProcessCluster): Promise<void> {
  const leader = await cluster.waitForLeader();
  await cluster.kill(leader.name);
  await cluster.waitForLeader();
  await cluster.start(leader.name);
  await cluster.waitUntilCaughtUp();
}

/** Freezes the leader, waits until the others have a new one, and lets the old one go on: it still thinks that it leads. */
export async function freezeLeader(cluster: ProcessCluster): Promise<void> {
  const leader = await cluster.waitForLeader();
  cluster.pause(leader.name);
  await cluster.waitForLeader();
  cluster.resume(leader.name);
  await cluster.waitUntilCaughtUp();
}
