import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { findDifferences } from "./read-all.ts";
import { runRaftkv } from "./run-raftkv.ts";
import { patientFlags, startCluster } from "./start-cluster.ts";
import { startWorkload } from "./workload.ts";

/** Far longer than an election takes at the default timeouts. */
const electionsOverMs = 6_000;

test("a member whose directory was wiped ends beside a leader that knows it, with a word on what to do", async () => {
  // The next leader would not know how far the member was.
  const cluster = await startCluster({ serveFlags: patientFlags });
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  const leader = await cluster.waitForLeader();
  const [wiped, healthy] = cluster.others(leader.name) as [ClusterMember, ClusterMember];
  await cluster.kill(wiped.name);
  rmSync(wiped.dataDirectory, { recursive: true });
  await cluster.start(wiped.name);
  cluster.mayEnd(wiped.name);
  const { exited, output } = cluster.process(wiped.name);
  expect(await exited).toEqual({ code: 6, signal: null });
  const line: unknown = JSON.parse(output.findLast((each) => each.includes('"level":"fatal"')) ?? "{}");
  const advice = `raftkv member replace ${wiped.name} ${wiped.name} --peer-address ${wiped.peerAddress}`;
  expect(line).toMatchObject({ code: "DATA_LOST", msg: expect.stringContaining(advice) });
  expect(line).toMatchObject({ msg: expect.stringContaining(`${wiped.dataDirectory} does not hold`) });

  // It is followed.
  cluster.wipe(wiped.name);
  await runRaftkv(healthy, "member", "replace", wiped.name, wiped.name, "--peer-address", wiped.peerAddress);
  await cluster.start(wiped.name);
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, await workload.stop())).toEqual([]);
});

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
