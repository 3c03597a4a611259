import { expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { GrpcCluster, type GrpcMember } from "./grpc-cluster.ts";

const { get, increment } = KvService.method;
const raft = { electionTimeoutMs: 250, heartbeatIntervalMs: 50, lease: { clockDriftMax: 0.1 } };
const noForward = { metadata: { "raftkv-no-forward": "1" } };

/** Adds one through a member; what the counter is then. */
async function add(member: GrpcMember): Promise<number> {
  return Number((await member.call(increment, { key: "n", delta: 1n })).value);
}

/** What the counter is at a member, as far as it answers by itself and soon. */
async function readAt(member: GrpcMember): Promise<number | undefined> {
  try {
    const { kv } = await member.call(get, { key: "n" }, { ...noForward, deadline: Date.now() + 30 });
    return Number(kv?.payload.value ?? 0);
  } catch {
    return undefined;
  }
}

async function confirmed(cluster: GrpcCluster, by: "lease" | "round"): Promise<number> {
  const samples = await Promise.all(cluster.members.map(async ({ expose }) => parseMetrics(await expose())));
  return sumSamples(samples.flat(), "raftkv_raft_reads_confirmed_total", { by });
}

test("reads go by the lease of the leader, whichever member is asked", async () => {
  const cluster = await new GrpcCluster().start(raft);
  const leader = await cluster.leader();
  expect(await add(leader)).toBe(1);
  for (const member of cluster.members) {
    const before = await confirmed(cluster, "lease");
    const readByLease = async (): Promise<boolean> => {
      expect(Number((await member.call(get, { key: "n" })).kv?.payload.value)).toBe(1);
      return (await confirmed(cluster, "lease")) > before;
    };
    await waitUntil(readByLease, { what: "a read that a lease confirmed" });
  }
});

test("trap 53: a leader that its peers cannot reach answers nothing from the past, while it thinks that it leads", async () => {
  const cluster = await new GrpcCluster().start(raft);
  let leased = 0;
  for (let round = 0; round < 5; round++) {
    const old = await cluster.leader();
    let acknowledged = await add(old);
    const others = cluster.members.filter((member) => member !== old);
    cluster.cut(old);
    let done = false;
    const wrong: string[] = [];
    const read = async (): Promise<void> => {
      while (!done) {
        const atLeast = acknowledged;
        const found = await readAt(old);
        if (found !== undefined && found < atLeast) wrong.push(`${found} was read after ${atLeast}`);
        if (found !== undefined) leased++;
      }
    };
    const readers = [read(), read(), read()];
    const next = await cluster.leader(others);
    for (let i = 0; i < 20; i++) acknowledged = await add(next);
    await waitUntil(() => old.replica.status().role !== "leader", { what: "the old leader gives up" });
    done = true;
    await Promise.all(readers);
    expect(wrong).toEqual([]);
    cluster.heal();
  }
  // It answers for as long as the lease lasts: else nothing was tried.
  expect(leased).toBeGreaterThan(0);
});
