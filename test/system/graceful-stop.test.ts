import { status } from "@grpc/grpc-js";
import { expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { findDifferences } from "./read-all.ts";
import { report, startCluster } from "./start-cluster.ts";
import { startWorkload } from "./workload.ts";

/** Statuses that a draining member, or the closed port after it, may give: the request was certainly not applied. */
const clean: ReadonlySet<status> = new Set([status.OK, status.UNAVAILABLE, status.ABORTED]);

/** Puts over and over to one member, without a retry, until it no longer accepts; tells how often each status came. */
async function putUntilRefused(member: ClusterMember, client: string, acknowledged: Map<string, string>) {
  const seen = new Map<status, number>();
  for (let number = 0; ; number++) {
    const [key, value] = [`${client}/${number}`, `value ${number}`];
    const result = await member.client.call(KvService.method.put, { key, payload: { case: "value", value } }, 5_000);
    const code = result.ok ? status.OK : result.code;
    seen.set(code, (seen.get(code) ?? 0) + 1);
    if (!result.ok) return seen;
    acknowledged.set(key, value);
  }
}

test("each member, told to stop under load, answers what it has accepted and exits with 0", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 2);
  for (const { name } of cluster.members) {
    const member = cluster.member(name);
    const leader = await cluster.waitForLeader();
    const acknowledged = new Map<string, string>();
    const clients = Array.from({ length: 16 }, (_, client) =>
      putUntilRefused(member, `stop/${name}/${client}`, acknowledged),
    );
    await workload.nextAcknowledgement();
    const start = performance.now();
    expect(await cluster.terminate(name)).toEqual({ code: 0, signal: null });
    const took = performance.now() - start;

    const seen = (await Promise.all(clients)).flatMap((statuses) => [...statuses.keys()]);
    expect(seen.filter((code) => !clean.has(code)).map((code) => status[code])).toEqual([]);
    await workload.nextAcknowledgement();
    const expected = { puts: acknowledged, counters: new Map<string, number>(), retries: 0 };
    await cluster.waitForLeader();
    expect(await findDifferences(cluster, expected)).toEqual([]);
    report(`${name === leader.name ? "leader" : "follower"} ${name} stopped in ${took.toFixed(0)} ms`);
    await cluster.start(name);
    await cluster.waitUntilCaughtUp();
  }
  const acknowledged = await workload.stop();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
});

test("all members stopped and started again find their data", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 1);
  await workload.nextAcknowledgement();
  const acknowledged = await workload.stop();
  const exits = await Promise.all(cluster.members.map(({ name }) => cluster.terminate(name)));
  expect(exits).toEqual(Array.from({ length: 3 }, () => ({ code: 0, signal: null })));
  await cluster.start();
  await cluster.waitUntilCaughtUp();
  expect(await findDifferences(cluster, acknowledged)).toEqual([]);
});
