import type { Machine } from "./machine.ts";
import type { Measurement } from "./measure-point.ts";
import { describeLoad, type SystemName } from "./options.ts";

/** One run, as its JSON file keeps it. */
export interface BenchRun {
  readonly startedAt: string;
  readonly label: string;
  readonly machine: Machine;
  readonly versions: Partial<Record<SystemName, string>>;
  readonly generator: "h2load" | "own";
  readonly warmUpSeconds: number;
  readonly measuredSeconds: number;
  readonly valueBytes: number;
  readonly measurements: readonly Measurement[];
}

/** The measurement of the same point on another system of the same run. */
export function counterpart(run: BenchRun, of: Measurement, system: SystemName): Measurement | undefined {
  return run.measurements.find(
    (other) =>
      other.system === system &&
      other.operation === of.operation &&
      other.connections === of.connections &&
      other.inFlight === of.inFlight &&
      other.place === of.place,
  );
}

/** The run as a Markdown table with the machine above it. */
export function renderTable(run: BenchRun): string {
  const header = ["operation", "connections x in flight", "system", "rate/s", "to etcd", "p50 ms", "p99 ms", "CPU us"];
  const rows = run.measurements.map((point) => [
    point.operation,
    describeLoad(point),
    point.system,
    point.fault === null ? Math.round(point.ratePerSecond).toLocaleString("en") : `INVALID: ${point.fault}`,
    ratioToEtcd(run, point),
    (point.p50Us / 1_000).toFixed(2),
    (point.p99Us / 1_000).toFixed(2),
    point.cpuUsPerRequest?.toFixed(0) ?? "-",
  ]);
  return `${describeRun(run)}\n\n${alignColumns([header, ...rows])}\n`;
}

function ratioToEtcd(run: BenchRun, point: Measurement): string {
  const etcd = point.system === "etcd" ? undefined : counterpart(run, point, "etcd");
  return etcd === undefined ? "" : `${(point.ratePerSecond / etcd.ratePerSecond).toFixed(2)} x`;
}

/** Where, when and how the figures were taken, in prose. */
export function describeRun(run: BenchRun): string {
  const { machine, versions } = run;
  const systems = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [
    `Three members of each system and the load generator share one machine: ${machine.cpuModel}, ${machine.cpuCount} cores,`,
    `${machine.memoryGiB} GiB, Linux ${machine.kernel}, Node ${machine.nodeVersion}; fdatasync of 256 bytes p50`,
    `${machine.fsyncP50Us} us, p99 ${machine.fsyncP99Us} us. ${systems.join(", ")}; load by ${generatorName(run)};`,
    `values of ${run.valueBytes} bytes; ${run.measuredSeconds} s per point after ${run.warmUpSeconds} s of warm-up;`,
    `started ${run.startedAt} at a load average of ${machine.loadBefore.toFixed(2)}. CPU is the processor time of all three members per request. Reads are linearizable.`,
  ].join("\n");
}

function generatorName(run: BenchRun): string {
  return run.generator === "h2load"
    ? `h2load ${run.machine.h2loadVersion}`
    : "the own generator (costly: not the limit)";
}

function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const padded = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)));
  const rule = widths.map((width) => "-".repeat(width));
  return [padded[0] ?? [], rule, ...padded.slice(1)].map(line).join("\n");
}
