import type { DescMethod, DescService } from "@bufbuild/protobuf";
import { Counter, Histogram, type Registry } from "prom-client";
import { methodPath } from "./service-definition.ts";

/** gRPC status codes by number, spelt as the dashboards of the field expect them. */
const codeNames: readonly string[] = [
  "OK",
  "Canceled",
  "Unknown",
  "InvalidArgument",
  "DeadlineExceeded",
  "NotFound",
  "AlreadyExists",
  "PermissionDenied",
  "ResourceExhausted",
  "FailedPrecondition",
  "Aborted",
  "OutOfRange",
  "Unimplemented",
  "Internal",
  "Unavailable",
  "DataLoss",
  "Unauthenticated",
];

type MethodLabels = "grpc_type" | "grpc_service" | "grpc_method";
const methodLabels = ["grpc_type", "grpc_service", "grpc_method"] as const;

const grpcTypes: Readonly<Record<DescMethod["methodKind"], string>> = {
  unary: "unary",
  client_streaming: "client_stream",
  server_streaming: "server_stream",
  bidi_streaming: "bidi_stream",
};

/** Counts of one method, kept as plain numbers because they change several times a call and are read once a scrape. */
export interface MethodStats {
  readonly labels: Readonly<Record<MethodLabels, string>>;
  /** Whether the client sends one message only. */
  readonly singleRequest: boolean;
  started: number;
  received: number;
  sent: number;
  /** Finished calls by status code. */
  readonly handled: number[];
  readonly observeSeconds: (seconds: number) => void;
}

/** The `grpc_server_*` metrics of every method of `services`, by path; every series exists from the start. */
export function registerCallMetrics(
  registry: Registry,
  services: readonly DescService[],
): ReadonlyMap<string, MethodStats> {
  const handlingSeconds = new Histogram({
    name: "grpc_server_handling_seconds",
    help: "Time to answer a call.",
    labelNames: methodLabels,
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  const stats = new Map<string, MethodStats>();
  for (const service of services) {
    for (const method of service.methods) stats.set(methodPath(method), methodStats(method, handlingSeconds));
  }
  const all = [...stats.values()];
  registerCount(registry, "grpc_server_started_total", "Calls started.", all, (each) => each.started);
  registerCount(registry, "grpc_server_msg_received_total", "Messages received.", all, (each) => each.received);
  registerCount(registry, "grpc_server_msg_sent_total", "Messages sent.", all, (each) => each.sent);
  registerHandled(registry, all);
  return stats;
}

function methodStats(method: DescMethod, handlingSeconds: Histogram<MethodLabels>): MethodStats {
  const labels = {
    grpc_type: grpcTypes[method.methodKind],
    grpc_service: method.parent.typeName,
    grpc_method: method.name,
  };
  handlingSeconds.zero(labels);
  const handling = handlingSeconds.labels(labels);
  return {
    labels,
    singleRequest: method.methodKind === "unary" || method.methodKind === "server_streaming",
    started: 0,
    received: 0,
    sent: 0,
    handled: codeNames.map(() => 0),
    observeSeconds: (seconds) => handling.observe(seconds),
  };
}

function registerCount(
  registry: Registry,
  name: string,
  help: string,
  stats: readonly MethodStats[],
  count: (stats: MethodStats) => number,
): void {
  new Counter({
    name,
    help,
    labelNames: methodLabels,
    registers: [registry],
    collect() {
      this.reset();
      for (const each of stats) this.inc(each.labels, count(each));
    },
  });
}

function registerHandled(registry: Registry, stats: readonly MethodStats[]): void {
  new Counter({
    name: "grpc_server_handled_total",
    help: "Calls finished, by status code.",
    labelNames: [...methodLabels, "grpc_code"] as const,
    registers: [registry],
    collect() {
      this.reset();
      for (const { labels, handled } of stats) {
        for (const [code, count] of handled.entries()) {
          // Success always has a series, so that rates start at 0; the others appear when they first happen.
          if (code === 0 || count > 0) this.inc({ ...labels, grpc_code: codeNames[code] ?? String(code) }, count);
        }
      }
    },
  });
}
