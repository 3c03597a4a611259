import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { pause } from "../lib/wait-until.ts";
import { type Acknowledged, sharedCounter } from "./workload.ts";

/** What reads at one member found wrong, and how many were answered. */
export interface ReaderReport {
  readonly wrong: string[];
  answered: number;
}

/** Reads the shared counter through one member; the answer must hold all that was acknowledged before, and `seen`. Returns it, or `undefined` when there was none. */
export async function readOnce(
  member: ClusterMember,
  acknowledged: Acknowledged,
  outcome: ReaderReport,
  seen = 0,
): Promise<number | undefined> {
  const atLeast = Math.max(seen, acknowledged.counters.get(sharedCounter) ?? 0);
  const result = await member.client.call(KvService.method.get, { key: sharedCounter }, 3_000);
  if (!result.ok) return undefined;
  const read = Number(result.response.kv?.payload.value ?? 0);
  if (read < atLeast) outcome.wrong.push(`${member.name} answered ${read} after ${atLeast} was seen`);
  outcome.answered++;
  return read;
}

/** Reads one after another until `stopped`. */
export async function readThrough(
  member: ClusterMember,
  acknowledged: Acknowledged,
  stopped: AbortSignal,
): Promise<ReaderReport> {
  const outcome: ReaderReport = { wrong: [], answered: 0 };
  let newest = 0;
  while (!stopped.aborted) {
    const read = await readOnce(member, acknowledged, outcome, newest);
    if (read === undefined) await pause(10);
    else newest = Math.max(newest, read);
  }
  return outcome;
}
