import { expect, test } from "vitest";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { parseMetrics, type Sample, sumSamples } from "../lib/metrics-text.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { readAll } from "./read-all.ts";
import { callUntilAnswered } from "./retrying-client.ts";
import { patientFlags, report, startCluster } from "./start-cluster.ts";

const smallEntries = 5_000;
const largeEntries = 40;
const largeBytes = 256 * 1024;
const smallInFlight = 64;
/** So few that a slow machine answers each within an attempt: what is tried again is written again. */
const largeInFlight = 4;

/** Writes the entries that the stopped follower misses. */
async function writeMissedEntries(members: readonly ClusterMember[]): Promise<void> {
  await writeAll(members, "small", [largeEntries, smallEntries], (number) => `v${number}`, smallInFlight);
  const large = "L".repeat(largeBytes);
  await writeAll(members, "large", [0, largeEntries], () => large, largeInFlight);
}

async function writeAll(
  members: readonly ClusterMember[],
  prefix: string,
  [first, count]: readonly [number, number],
  valueAt: (number: number) => string,
  inFlight: number,
): Promise<void> {
  let next = first;
  const writeSome = async () => {
    while (next < first + count) {
      const number = next++;
      const request = { key: `${prefix}/${number}`, payload: { case: "value", value: valueAt(number) } } as const;
      await callUntilAnswered(members, 0, KvService.method.put, request);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, writeSome));
}

const samplesOf = async (cluster: ProcessCluster, member: ClusterMember) => parseMetrics(await cluster.metrics(member));

/** Growth of one of the leader's counters of a peer. */
function growth(before: readonly Sample[], after: readonly Sample[], name: string, peer: string): number {
  return sumSamples(after, name, { peer }) - sumSamples(before, name, { peer });
}

test("a follower that missed thousands of entries catches up after its restart", async () => {
  // The figures are those of one leader: nothing but its death may end its term.
  const cluster = await startCluster({ serveFlags: patientFlags });
  const [follower] = cluster.others((await cluster.waitForLeader()).name);
  if (follower === undefined) throw new Error("no follower");
  await cluster.kill(follower.name);
  const logBefore = await cluster.status(await cluster.waitForLeader());
  await writeMissedEntries(cluster.running());

  const leader = await cluster.waitForLeader();
  const logAfter = await cluster.status(leader);
  // A write that was retried is in the log more than once, so the log tells what was missed.
  const entries = Number(logAfter.lastIndex - logBefore.lastIndex);
  const missedBytes = Number(logAfter.logSizeBytes - logBefore.logSizeBytes);
  const before = await samplesOf(cluster, leader);
  const startedAt = performance.now();
  await cluster.start(follower.name);
  await cluster.waitUntilCaughtUp();
  const took = performance.now() - startedAt;
  const after = await samplesOf(cluster, leader);

  const sentBytes = growth(before, after, "raftkv_peer_sent_bytes_total", follower.name);
  const sentMessages = growth(before, after, "raftkv_peer_sent_messages_total", follower.name);
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  report(
    `${entries} entries, ${mib(missedBytes)} MiB: caught up ${took.toFixed(0)} ms after the start of its process,`,
  );
  report(`with ${sentMessages} messages and ${mib(sentBytes)} MiB from the leader`);

  expect(entries).toBeGreaterThanOrEqual(smallEntries + largeEntries);
  expect(sentBytes).toBeGreaterThan(largeEntries * largeBytes);
  expect(sentBytes).toBeLessThan(1.5 * missedBytes);
  expect(sentMessages).toBeGreaterThan(0);
  expect(sentMessages).toBeLessThan(entries / 10);

  // Alone with the other follower, the restarted one is needed for every quorum: it must really hold the entries.
  await cluster.kill(leader.name);
  await cluster.waitForLeader();
  const lengths = { "large/0": largeBytes, "large/39": largeBytes, "small/40": 3, "small/5039": 5 };
  const found = await readAll(cluster, Object.keys(lengths));
  for (const [key, length] of Object.entries(lengths)) expect(found.get(key)).toHaveLength(length);
});
