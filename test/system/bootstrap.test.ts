import { rmSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { type StartedProcess, startProcess, stopProcess } from "../lib/child-process.ts";
import { type ClusterMember, type ProcessCluster, raftkvCommand } from "../lib/process-cluster.ts";
import { answerOf } from "../lib/rpc-client.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { layOutCluster } from "./start-cluster.ts";

/** Starts a member that believes in another initial cluster. */
async function startWith(cluster: ProcessCluster, member: ClusterMember, initial: string): Promise<StartedProcess> {
  const args = cluster.serveArguments(member);
  args[args.indexOf("--initial-cluster") + 1] = initial;
  const started = await startProcess(process.execPath, [raftkvCommand, ...args]);
  onTestFinished(() => stopProcess(started).then(() => {}));
  return started;
}

/** Writes the member's name through it; whether that was acknowledged. */
async function leaveMark({ name, client }: ClusterMember): Promise<boolean> {
  const payload = { case: "value" as const, value: name };
  return (await client.call(KvService.method.put, { key: "mark", payload }, 3_000)).ok;
}

async function markSeenBy({ client }: ClusterMember) {
  return answerOf(await client.call(KvService.method.get, { key: "mark" })).kv?.payload.value;
}

test("trap 46: a member that was given another list is a cluster of its own, and never takes part in this one", async () => {
  const cluster = await layOutCluster();
  const [n1, , n3] = cluster.members;
  if (n1 === undefined || n3 === undefined) throw new Error("three members were laid out");
  // As if the names of the others could not be found when its list was made.
  const stray = await startWith(cluster, n3, `${n3.name}=${n3.peerAddress}`);
  await cluster.start("n1", "n2");
  await waitUntil(() => leaveMark(n1), { what: "n1 and n2 serve without n3", timeoutMs: 60_000 });
  await waitUntil(() => leaveMark(n3), { what: "n3 serves itself", timeoutMs: 60_000 });
  const clusterIds = await Promise.all([n1, n3].map(async (each) => (await cluster.status(each)).header?.clusterId));
  expect(new Set(clusterIds).size).toBe(2);
  expect([await markSeenBy(n1), await markSeenBy(n3)]).toEqual(["n1", "n3"]);

  // Told the right list, it does not take its own past along; with an empty directory it is the third member.
  await stopProcess(stray);
  const refused = await startProcess(process.execPath, [raftkvCommand, ...cluster.serveArguments(n3)]);
  expect(await refused.exited).toEqual({ code: 1, signal: null });
  expect(refused.output.join("\n")).toContain("DIRECTORY_MISMATCH");
  rmSync(n3.dataDirectory, { recursive: true });
  await cluster.start("n3");
  await cluster.waitUntilCaughtUp();
  expect(await markSeenBy(n3)).toBe("n1");
});
