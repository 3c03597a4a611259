import { status } from "@grpc/grpc-js";
import { describe, expect, test } from "vitest";
import { ClusterService } from "../../src/gen/raftkv/v1/cluster_service_pb.ts";
import { MaintenanceService } from "../../src/gen/raftkv/v1/maintenance_service_pb.ts";
import { parseMetrics, sumSamples } from "../lib/metrics-text.ts";
import { otherId, selfId } from "../server/fake-replica.ts";
import { failureOf, startServer } from "../server/server-harness.ts";

const { createSnapshot } = MaintenanceService.method;
const { getStatus } = ClusterService.method;

describe("CreateSnapshot", () => {
  test("compacts the log of the member that answers, keeping as much as it is told, and tells what is left", async () => {
    const { call, replica } = await startServer();
    // No matter who leads: it is about this member alone.
    replica.become({ role: "follower", leaderId: otherId });
    replica.compactionOutcome = { type: "compacted", firstIndex: 1001, lastIndex: 1200, logSizeBytes: 5000 };
    const answer = await call(createSnapshot, {});
    expect(answer).toMatchObject({ firstIndex: 1001n, lastIndex: 1200n, logSizeBytes: 5000n });
    expect(answer.header).toMatchObject({ memberId: selfId });
    await call(createSnapshot, { trailingEntries: 0n });
    await call(createSnapshot, { trailingEntries: 77n });
    expect(replica.compactions).toEqual([null, 0, 77]);
  });

  test("is refused when it was not possible in time, and with a count that is none", async () => {
    const { call, replica } = await startServer();
    expect(await failureOf(call(createSnapshot, {}))).toMatchObject({
      code: status.DEADLINE_EXCEEDED,
      reason: "DEADLINE_EXCEEDED",
      message: expect.stringContaining("nothing was compacted in time"),
    });
    replica.compactionOutcome = { type: "overloaded", limit: 256 };
    expect(await failureOf(call(createSnapshot, {}))).toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
      reason: "OVERLOADED",
      message: expect.stringContaining("256 requests to compact wait"),
      facts: { pending: "256", limit: "256" },
    });
    const beyond = await failureOf(call(createSnapshot, { trailingEntries: 2n ** 53n }));
    expect(beyond).toMatchObject({
      code: status.INVALID_ARGUMENT,
      message: expect.stringContaining("trailing_entries"),
    });
    expect(replica.compactions).toHaveLength(2);
  });
});

describe("snapshots on their way", () => {
  const snapshotReceived = { from: otherId, index: 40, bytes: 300, totalBytes: 1200, waitsForSpace: true };
  const snapshotsSent = [{ to: otherId, index: 41, bytes: 7, totalBytes: 0 }];

  test("are told by GetStatus", async () => {
    const { call, replica } = await startServer();
    const calm = await call(getStatus, {});
    expect([calm.receivingSnapshot, calm.sendingSnapshots]).toEqual([undefined, []]);
    replica.become({ snapshotReceived, snapshotsSent });
    expect(await call(getStatus, {})).toMatchObject({
      receivingSnapshot: { memberId: otherId, index: 40n, bytes: 300n, totalBytes: 1200n },
      sendingSnapshots: [{ memberId: otherId, index: 41n, bytes: 7n, totalBytes: 0n }],
    });
  });

  test("are counted, with the compactions that made them necessary", async () => {
    const { metrics, replica } = await startServer();
    const read = async (name: string, labels: Record<string, string> = {}) =>
      sumSamples(parseMetrics(await metrics.expose("prometheus")), name, labels);
    expect(await read("raftkv_snapshot_receive_progress_ratio")).toBe(1);
    expect(await read("raftkv_snapshot_waits_for_space")).toBe(0);
    replica.become({ snapshotReceived, snapshotsSent, firstIndex: 5, lastIndex: 14 });
    metrics.replica.compaction("bytes", 30, 0.01);
    metrics.replica.snapshotSentBytes(100);
    metrics.replica.snapshotReceivedBytes(20);
    metrics.replica.snapshotSent("abandoned", 3);
    metrics.replica.snapshotReceived("installed", 2);
    expect(await read("raftkv_raft_log_entries")).toBe(10);
    expect(await read("raftkv_snapshot_receive_progress_ratio")).toBe(0.25);
    expect(await read("raftkv_snapshot_waits_for_space")).toBe(1);
    expect(await read("raftkv_log_compactions_total", { reason: "bytes" })).toBe(1);
    expect(await read("raftkv_log_compactions_total", { reason: "interval" })).toBe(0);
    expect(await read("raftkv_log_compacted_entries_total")).toBe(30);
    for (const [direction, bytes, installed, abandoned, seconds] of [
      ["send", 100, 0, 1, 0],
      ["receive", 20, 1, 0, 2],
    ] as const) {
      expect(await read("raftkv_snapshot_transfers_inflight", { direction })).toBe(1);
      expect(await read("raftkv_snapshot_transfer_bytes_total", { direction })).toBe(bytes);
      expect(await read("raftkv_snapshot_transfers_total", { direction, result: "installed" })).toBe(installed);
      expect(await read("raftkv_snapshot_transfers_total", { direction, result: "abandoned" })).toBe(abandoned);
      expect(await read("raftkv_snapshot_transfer_duration_seconds_sum", { direction })).toBe(seconds);
    }
  });
});
