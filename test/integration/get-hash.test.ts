import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { ReadConsistency } from "../../src/gen/raftkv/v1/common_pb.ts";
import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import { otherId, selfId } from "../server/fake-replica.ts";
import { failureOf, startServer } from "../server/server-harness.ts";

const { getHash } = MaintenanceService.method;
const { get, put } = KvService.method;
const { getStatus, listMembers } = ClusterService.method;

const result = { index: 40, revision: 7, stateVersion: 3, hash: "ab".repeat(32), rows: 12, bytes: 3456 };
const told = { index: 40n, revision: 7n, stateVersion: 3, hash: "ab".repeat(32), rows: 12n, sizeBytes: 3456n };
const divergence = { index: 40, hash: "a".repeat(64), majorityHash: "b".repeat(64) };

describe("GetHash", () => {
  test("takes a checkpoint at the leader, and tells the hash at one that was taken anywhere", async () => {
    const { call, replica } = await startServer();
    replica.hashOutcome = { type: "hashed", result };
    expect(await call(getHash, {})).toMatchObject({ ...told, header: { memberId: selfId } });
    replica.become({ role: "follower", leaderId: otherId });
    expect(await call(getHash, { index: 40n })).toMatchObject(told);
    expect(replica.hashesAsked).toEqual([null, 40]);
  });

  test("lets the leader take it, and tells the hash of the member that was asked", async () => {
    const leader = await startServer();
    leader.replica.hashOutcome = { type: "hashed", result: { ...result, hash: "cd".repeat(32) } };
    const follower = await startServer();
    follower.replica.become({ role: "follower", leaderId: otherId });
    follower.replica.otherClientAddress = leader.clientAddress;
    follower.replica.hashOutcome = { type: "hashed", result };
    expect(await follower.call(getHash, {})).toMatchObject(told);
    expect([leader.replica.hashesAsked, follower.replica.hashesAsked]).toEqual([[null], [40]]);
    // A leader that is late has taken it all the same.
    leader.replica.hashOutcome = { type: "late", index: 41 };
    await follower.call(getHash, {});
    expect(follower.replica.hashesAsked).toEqual([40, 41]);
  });

  test("tells where there is no leader to take one, or no hash", async () => {
    const { call, replica } = await startServer();
    replica.hashOutcome = { type: "skipped" };
    const unknown = await failureOf(call(getHash, { index: 3n }));
    expect(unknown).toMatchObject({ code: status.FAILED_PRECONDITION, reason: "HASH_UNKNOWN", facts: { index: "3" } });
    replica.hashOutcome = { type: "late", index: 44 };
    const late = await failureOf(call(getHash, {}));
    expect(late).toMatchObject({ code: status.DEADLINE_EXCEEDED, facts: { index: "44" } });
    replica.hashOutcome = { type: "overloaded", limit: 256 };
    const overloaded = { reason: "OVERLOADED", message: expect.stringContaining("256 requests for a hash wait") };
    expect(await failureOf(call(getHash, {}))).toMatchObject(overloaded);
    replica.hashOutcome = { type: "notLeader" };
    expect(await failureOf(call(getHash, {}))).toMatchObject({ reason: "NOT_LEADER" });
    replica.become({ role: "follower", leaderId: null });
    expect(await failureOf(call(getHash, {}))).toMatchObject({ reason: "NO_LEADER" });
    replica.become({ role: "follower", leaderId: otherId });
    const alone = { metadata: { "raftkv-no-forward": "1" } };
    expect(await failureOf(call(getHash, {}, alone))).toMatchObject({ reason: "NOT_LEADER" });
    expect(await failureOf(call(getHash, { index: 2n ** 53n }))).toMatchObject({ reason: "REVISION_INVALID" });
  });
});

describe("a member whose state is wrong", () => {
  test("refuses reads at every consistency, and tells who is in the cluster", async () => {
    const { call, replica } = await startServer();
    await call(put, { key: "k", payload: { case: "value", value: "v" } });
    replica.become({ integrity: { ...replica.status().integrity, divergence } });
    replica.readOutcome = "STATE_DIVERGED";
    for (const consistency of [ReadConsistency.LINEARIZABLE, ReadConsistency.STALE]) {
      expect(await failureOf(call(get, { key: "k", read: { consistency } }))).toMatchObject({
        code: status.UNAVAILABLE,
        reason: "STATE_DIVERGED",
        facts: { index: "40", hash: divergence.hash, majority_hash: divergence.majorityHash },
      });
    }
    const { members } = await call(listMembers, { read: { consistency: ReadConsistency.STALE } });
    expect(members).toHaveLength(2);
  });

  test("is shown by readiness, status and the metric; states that differ without a majority by the last two", async () => {
    const { call, replica, metrics, metricsUrl } = await startServer();
    const look = async () => ({
      ready: (await fetch(`${metricsUrl}/readyz`)).status,
      problems: (await call(getStatus, {})).problems.filter((problem) => /DIVERGED|MISMATCH/.test(problem)).length,
      metric: sumSamples(parseMetrics(await metrics.expose("prometheus")), "raftkv_store_hash_mismatch", {}),
    });
    expect(await look()).toEqual({ ready: 200, problems: 0, metric: 0 });
    replica.become({ integrity: { divergence: null, split: true, lastHash: result } });
    expect(await look()).toEqual({ ready: 200, problems: 1, metric: 1 });
    replica.become({ integrity: { divergence, split: false, lastHash: result } });
    expect(await look()).toEqual({ ready: 503, problems: 1, metric: 1 });
  });

  test("what was read back and compared is counted", async () => {
    const { metrics, replica } = await startServer();
    replica.become({ integrity: { divergence: null, split: false, lastHash: result } });
    metrics.replica.scrubbed({ rows: 5, entries: 0, bytes: 500 });
    metrics.replica.scrubbed({ rows: 0, entries: 7, bytes: 70 });
    metrics.replica.scrubEnded(2.5);
    metrics.replica.hashCompared("agreed");
    const shown = parseMetrics(await metrics.expose("prometheus"));
    const read = (name: string, labels: Record<string, string> = {}) => sumSamples(shown, `raftkv_${name}`, labels);
    expect([read("scrub_rows_total"), read("scrub_entries_total"), read("scrub_bytes_total")]).toEqual([5, 7, 570]);
    expect([read("scrub_last_duration_seconds"), read("store_hash_index")]).toEqual([2.5, 40]);
    expect(read("scrub_last_completion_timestamp_seconds")).toBeGreaterThan(1.5e9);
    expect(read("hash_comparisons_total", { result: "agreed" })).toBe(1);
    expect(read("hash_comparisons_total", { result: "outvoted" })).toBe(0);
  });
});
