import { Counter, Gauge, Histogram, type Registry } from "prom-client";
import type { ReplicaMetrics, SnapshotMetricResult } from "../replica/replica-metrics.ts";
import type { ReplicaPort } from "./replica-port.ts";

/** A compaction is one small write, and waits behind others. */
const compactionSeconds = Array.from({ length: 14 }, (_, n) => 1e-3 * 2 ** n);
/** 0.1 s doubled up to 55 minutes: from a small state to a large one over a slow link. */
const transferSeconds = Array.from({ length: 16 }, (_, n) => 0.1 * 2 ** n);

const directions = ["send", "receive"] as const;
type Direction = (typeof directions)[number];

/** What a replica tells of compactions and snapshots as they happen. */
export type SnapshotReporting = Pick<
  ReplicaMetrics,
  "compaction" | "snapshotSentBytes" | "snapshotSent" | "snapshotReceivedBytes" | "snapshotReceived"
>;

/** Registers what is told of compactions and snapshots, every series from the start. */
export function registerSnapshotMetrics(registry: Registry): SnapshotReporting {
  const bytes = new Counter({
    name: "raftkv_snapshot_transfer_bytes_total",
    help: "Bytes of keys and values, or of files, in snapshots sent and received (direction: send, receive).",
    labelNames: ["direction"],
    registers: [registry],
  });
  for (const direction of directions) bytes.inc({ direction }, 0);
  const ended = registerTransfers(registry);
  return {
    compaction: registerCompactions(registry),
    snapshotSentBytes: (count) => bytes.inc({ direction: "send" }, count),
    snapshotReceivedBytes: (count) => bytes.inc({ direction: "receive" }, count),
    snapshotSent: (result, seconds) => ended("send", result, seconds),
    snapshotReceived: (result, seconds) => ended("receive", result, seconds),
  };
}

function registerTransfers(
  registry: Registry,
): (direction: Direction, result: SnapshotMetricResult, seconds: number) => void {
  const transfers = new Counter({
    name: "raftkv_snapshot_transfers_total",
    help: "Snapshots sent and received that have ended (direction: send, receive; result: installed, abandoned).",
    labelNames: ["direction", "result"],
    registers: [registry],
  });
  const duration = new Histogram({
    name: "raftkv_snapshot_transfer_duration_seconds",
    help: "Time from the first request for a snapshot until it was installed (direction: send, receive).",
    labelNames: ["direction"],
    buckets: transferSeconds,
    registers: [registry],
  });
  for (const direction of directions) {
    for (const result of ["installed", "abandoned"]) transfers.inc({ direction, result }, 0);
    duration.zero({ direction });
  }
  return (direction, result, seconds) => {
    transfers.inc({ direction, result });
    if (result === "installed") duration.observe({ direction }, seconds);
  };
}

function registerCompactions(registry: Registry): ReplicaMetrics["compaction"] {
  const compactions = new Counter({
    name: "raftkv_log_compactions_total",
    help: "Compactions of the log (reason: entries, bytes, interval, request).",
    labelNames: ["reason"],
    registers: [registry],
  });
  for (const reason of ["entries", "bytes", "interval", "request"]) compactions.inc({ reason }, 0);
  const entries = new Counter({
    name: "raftkv_log_compacted_entries_total",
    help: "Entries that compactions took out of the log.",
    registers: [registry],
  });
  const duration = new Histogram({
    name: "raftkv_log_compaction_duration_seconds",
    help: "Time until a compaction was durable; the entries are removed afterwards.",
    buckets: compactionSeconds,
    registers: [registry],
  });
  return (reason, count, seconds) => {
    compactions.inc({ reason });
    entries.inc(count);
    duration.observe(seconds);
  };
}

/** Registers what is looked up at each scrape: the snapshots on their way. */
export function registerSnapshotGauges(registry: Registry, replica: ReplicaPort): void {
  new Gauge({
    name: "raftkv_snapshot_transfers_inflight",
    help: "Snapshots on their way (direction: send, receive).",
    labelNames: ["direction"],
    registers: [registry],
    collect() {
      const { snapshotReceived, snapshotsSent } = replica.status();
      this.set({ direction: "send" }, snapshotsSent.length);
      this.set({ direction: "receive" }, snapshotReceived === null ? 0 : 1);
    },
  });
  new Gauge({
    name: "raftkv_snapshot_waits_for_space",
    help: "Whether a snapshot is not fetched because the disk has no room for it (1) or not (0).",
    registers: [registry],
    collect() {
      this.set(replica.status().snapshotReceived?.waitsForSpace === true ? 1 : 0);
    },
  });
  new Gauge({
    name: "raftkv_snapshot_receive_progress_ratio",
    help: "How much of the snapshot that is being received is here, from 0 to 1, as far as known; 1 when none is.",
    registers: [registry],
    collect() {
      const { snapshotReceived } = replica.status();
      if (snapshotReceived === null) this.set(1);
      else this.set(Math.min(1, snapshotReceived.bytes / Math.max(1, snapshotReceived.totalBytes)));
    },
  });
}
