import { Counter, Gauge, type Registry } from "prom-client";
import type { ReplicaMetrics } from "../replica/replica-metrics.ts";
import type { ReplicaPort } from "./replica-port.ts";

/** What a replica tells as it reads state and log back, and compares the state with others'. */
export type IntegrityReporting = Pick<ReplicaMetrics, "scrubbed" | "scrubEnded" | "hashCompared">;

/** Registers what is told of that, every series from the start. */
export function registerIntegrityMetrics(registry: Registry): IntegrityReporting {
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  const rows = counter("raftkv_scrub_rows_total", "Rows of the state read back and found whole.");
  const entries = counter("raftkv_scrub_entries_total", "Entries of the log read back and found whole.");
  const bytes = counter("raftkv_scrub_bytes_total", "Bytes of rows and entries read back and found whole.");
  const lastSeconds = new Gauge({
    name: "raftkv_scrub_last_completion_timestamp_seconds",
    help: "When all of state and log was last read back, since 1970; 0 before the first time since the start.",
    registers: [registry],
  });
  const duration = new Gauge({
    name: "raftkv_scrub_last_duration_seconds",
    help: "How long it took to read all of state and log back the last time.",
    registers: [registry],
  });
  const comparisons = new Counter({
    name: "raftkv_hash_comparisons_total",
    help: "Comparisons of the members' states (result: agreed, outvoted, split, unfinished).",
    labelNames: ["result"],
    registers: [registry],
  });
  for (const result of ["agreed", "outvoted", "split", "unfinished"]) comparisons.inc({ result }, 0);
  return {
    scrubbed: (read) => {
      rows.inc(read.rows);
      entries.inc(read.entries);
      bytes.inc(read.bytes);
    },
    scrubEnded: (seconds) => {
      duration.set(seconds);
      lastSeconds.set(Date.now() / 1000);
    },
    hashCompared: (result) => comparisons.inc({ result }),
  };
}

/** Registers what is looked up at each scrape: whether the state is known to differ. */
export function registerIntegrityGauges(registry: Registry, replica: ReplicaPort): void {
  new Gauge({
    name: "raftkv_store_hash_mismatch",
    help: "Whether this member's state differs from that of the majority, or from others' without a majority: 1 if so, else 0.",
    registers: [registry],
    collect() {
      const { divergence, split } = replica.status().integrity;
      this.set(divergence !== null || split ? 1 : 0);
    },
  });
  new Gauge({
    name: "raftkv_store_hash_index",
    help: "Index of the last checkpoint at which this member hashed its state; 0 before the first since the start.",
    registers: [registry],
    collect() {
      this.set(replica.status().integrity.lastHash?.index ?? 0);
    },
  });
}
