import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { findDifferences } from "./read-all.ts";
import { startCluster } from "./start-cluster.ts";
import { startWorkload } from "./workload.ts";

/** Far longer than an election takes at the default timeouts. */
const electionsOverMs = 6_000;

test("a member whose directory was wiped gets no vote and gives none under its old identity", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  const leader = await cluster.waitForLeader();
  const [wiped, healthy] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
  const acknowledged = await workload.stop();

  await cluster.kill(wiped.name, leader.name);
  rmSync(wiped.dataDirectory, { recursive: true });
  await cluster.start(wiped.name);
  await waitUntil(() => cluster.process(healthy.name).output.some((line) => line.includes("HELLO_REFUSED")), {
    what: `${healthy.name} has refused ${wiped.name}`,
  });

  // The healthy member and the wiped one would be a quorum: could the wiped one vote, there would soon be a leader.
  const knownLeader = async () => (await cluster.statusIfAnswered(healthy))?.header?.leaderId;
  await waitUntil(async () => (await knownLeader()) === "", { what: `${healthy.name} misses the killed leader` });
  const elected = async () => (await knownLeader()) !== "";
  const election = waitUntil(elected, { what: "a leader by the vote of an empty log", timeoutMs: electionsOverMs });
  await expect(election).rejects.toThrow("not seen");
  const payload = { case: "value", value: "must not be written" } as const;
  const put = await healthy.client.call(KvService.method.put, { key: "without-quorum", payload }, 2_000);
  expect(put.ok).toBe(false);

  await cluster.start(leader.name);
  await waitUntil(async () => (await cluster.statusIfAnswered(healthy))?.header?.leaderId !== "", {
    what: "the two healthy members have a leader",
  });
  await cluster.terminate(wiped.name);
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
});
