import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import { assert } from "../lib/assert.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { ReplicaMetrics } from "../replica/replica-metrics.ts";
import { type BackupMetrics, registerBackupMetrics } from "./backup-metrics.ts";
import { type MethodStats, registerCallMetrics } from "./call-metrics.ts";
import { clientPortServices } from "./client-port-services.ts";
import type { StoreOperation } from "./kv-service.ts";
import { type MembershipMetrics, registerMembershipMetrics } from "./membership-metrics.ts";
import { registerReplicaMetrics } from "./replica-metrics-recorder.ts";
import type { ReplicaPort } from "./replica-port.ts";
import { type MetricsSource, peerIds, peerName, registerStateMetrics } from "./state-metrics.ts";
import type { Reason } from "./status.ts";

/** Names of the health checks. */
export type HealthCheckName = "live" | "ready" | "started";

/** State of each health check. */
export type HealthCheckReader = (check: HealthCheckName) => boolean;

/** Every metric of one server, on a registry of its own. */
export interface ServerMetrics extends MembershipMetrics, BackupMetrics {
  /** By path of the method. */
  readonly calls: ReadonlyMap<string, MethodStats>;
  /** For the replica to tell what happens; there before the replica is. */
  readonly replica: ReplicaMetrics;
  /** A call was refused; counts those reasons that mean "before a proposal". */
  readonly refused: (reason: Reason) => void;
  /** An operation was applied, or served. */
  readonly operation: (operation: StoreOperation, stale: boolean) => void;
  /** Adds what is looked up at each scrape; called once, by the server. */
  readonly attach: (source: MetricsSource, health: HealthCheckReader) => void;
  /** The exposition, as Prometheus text or as OpenMetrics. Rejects when a figure cannot be read. */
  readonly expose: (format: "prometheus" | "openmetrics") => Promise<string>;
}

type RejectionLabel = "not_leader" | "no_leader" | "overloaded" | "too_large" | "no_space" | "draining";

const rejectionLabels: Readonly<Partial<Record<Reason, RejectionLabel>>> = {
  NOT_LEADER: "not_leader",
  NO_LEADER: "no_leader",
  OVERLOADED: "overloaded",
  REQUEST_TOO_LARGE: "too_large",
  VALUE_TOO_LARGE: "too_large",
  NO_SPACE: "no_space",
  SHUTTING_DOWN: "draining",
};

// Gauges under names that only counters may have; nothing of worth is lost, nodejs_active_* by type stay.
const misnamedDefaults = [
  "nodejs_active_handles_total",
  "nodejs_active_requests_total",
  "nodejs_active_resources_total",
];

/** Makes a server's metrics, every series that can be known already there. */
export function createServerMetrics(): ServerMetrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  for (const name of misnamedDefaults) registry.removeSingleMetric(name);
  const operations = registerOperations(registry);
  const rejections = registerRejections(registry);
  let attached: ReplicaPort | undefined;
  const peers = {
    name: (peer: MemberId) => (attached === undefined ? peer : peerName(attached, peer)),
    ids: () => (attached === undefined ? [] : peerIds(attached)),
  };
  return {
    calls: registerCallMetrics(registry, clientPortServices),
    replica: registerReplicaMetrics(registry, peers),
    ...registerMembershipMetrics(registry),
    ...registerBackupMetrics(registry),
    refused: (reason) => {
      const label = rejectionLabels[reason];
      if (label !== undefined) rejections[label]++;
    },
    operation: (operation, stale) => {
      operations[stale ? "stale" : "linearizable"][operation]++;
    },
    attach: (source, health) => {
      assert(attached === undefined, "metrics belong to one server");
      attached = source.replica;
      registerStateMetrics(registry, source);
      registerHealth(registry, health);
    },
    expose: async (format) => {
      const text = await registry.metrics();
      return format === "prometheus" ? text : toOpenMetrics(text);
    },
  };
}

/**
 * The text form as OpenMetrics. prom-client can write that too, but renames its counters for good while it does, which
 * breaks every later scrape in the text form.
 */
function toOpenMetrics(text: string): string {
  const renamed = text.replace(/^(# (?:HELP|TYPE) \S+)_total /gm, "$1 ");
  const lines = renamed.split("\n").filter((line) => line !== "");
  return `${lines.join("\n")}\n# EOF\n`;
}

function registerHealth(registry: Registry, health: HealthCheckReader): void {
  new Gauge({
    name: "raftkv_health_check",
    help: "Result of each health check: 1 ok, 0 not (check: live, ready, started).",
    labelNames: ["check"],
    registers: [registry],
    collect() {
      for (const check of ["live", "ready", "started"] as const) this.set({ check }, Number(health(check)));
    },
  });
}

function registerOperations(registry: Registry): Record<"linearizable" | "stale", Record<StoreOperation, number>> {
  const counts = {
    linearizable: { put: 0, get: 0, delete: 0, increment: 0 },
    stale: { put: 0, get: 0, delete: 0, increment: 0 },
  };
  new Counter({
    name: "raftkv_store_operations_total",
    help: "Operations applied or served (operation: put, get, delete, increment).",
    labelNames: ["operation", "consistency"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [operation, count] of Object.entries(counts.linearizable)) {
        this.inc({ operation, consistency: "linearizable" }, count);
      }
      this.inc({ operation: "get", consistency: "stale" }, counts.stale.get);
    },
  });
  return counts;
}

function registerRejections(registry: Registry): Record<RejectionLabel, number> {
  const counts = { not_leader: 0, no_leader: 0, overloaded: 0, too_large: 0, no_space: 0, draining: 0 };
  new Counter({
    name: "raftkv_rejected_requests_total",
    help: "Client requests refused before a proposal (reason: not_leader, no_leader, overloaded, too_large, no_space, draining).",
    labelNames: ["reason"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [reason, count] of Object.entries(counts)) this.inc({ reason }, count);
    },
  });
  return counts;
}
