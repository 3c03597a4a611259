import { expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { pause } from "../lib/wait-until.ts";
import { freezeLeader, killLeader } from "./disturb-leader.ts";
import { report, startCluster } from "./start-cluster.ts";
import { type Acknowledged, sharedCounter, startWorkload } from "./workload.ts";

/** What a reader that stays with one member found wrong, and how often it was answered. */
interface ReaderReport {
  readonly wrong: string[];
  answered: number;
}

/** Reads the counter through one member until `stopped`; each answer must hold all that was acknowledged before it. */
async function readThrough(
  member: ClusterMember,
  acknowledged: Acknowledged,
  stopped: AbortSignal,
): Promise<ReaderReport> {
  const outcome: ReaderReport = { wrong: [], answered: 0 };
  let newest = 0;
  while (!stopped.aborted) {
    const atLeast = Math.max(newest, acknowledged.counters.get(sharedCounter) ?? 0);
    const result = await member.client.call(KvService.method.get, { key: sharedCounter }, 3_000);
    if (!result.ok) {
      await pause(10);
      continue;
    }
    const { kv } = result.response;
    const read = Number(kv?.payload.value ?? 0);
    if (read < atLeast) outcome.wrong.push(`${member.name} answered ${read} after ${atLeast} was seen`);
    newest = Math.max(newest, read);
    outcome.answered++;
  }
  return outcome;
}

test("no member answers a linearizable read from the past while leaders are killed and frozen", async () => {
  const cluster = await startCluster();
  const workload = startWorkload(cluster, 1);
  const stopped = new AbortController();
  const readers = Promise.all(
    cluster.members.flatMap((member) => [1, 2].map(() => readThrough(member, workload.acknowledged, stopped.signal))),
  );
  for (const disturb of [freezeLeader, killLeader, freezeLeader, killLeader, freezeLeader]) {
    await workload.nextAcknowledgement();
    await disturb(cluster);
  }
  stopped.abort();
  const reports = await readers;
  await workload.stop();
  expect(reports.flatMap(({ wrong }) => wrong)).toEqual([]);
  for (const { answered } of reports) expect(answered).toBeGreaterThan(0);
  report(`${reports.reduce((sum, { answered }) => sum + answered, 0)} reads, none stale`);
});
