import { waitUntil } from "../lib/wait-until.ts";
import { cpuMicroseconds } from "./cpu-time.ts";
import { frameMessage } from "./grpc-wire.ts";
import type { LoadGenerator, LoadResult, LoadTarget } from "./load-generator.ts";
import { type BenchOptions, busyLoad, type LoadPoint, type SystemName } from "./options.ts";
import { quantile } from "./statistics.ts";
import type { SystemUnderTest } from "./system-under-test.ts";

/** Figures of one point on one system. */
export interface Measurement extends LoadPoint {
  readonly system: SystemName;
  readonly ratePerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Processor time of the three members per completed request; `null` where there is no /proc. */
  readonly cpuUsPerRequest: number | null;
  readonly completed: number;
  /** Why the figures must not be believed; `null` when the requests were seen to take effect. */
  readonly fault: string | null;
}

/** Loads a fresh system for a while and forgets the figures: a point is to be measured on code that is compiled. */
export async function warmUpSystem(system: SystemUnderTest, generate: LoadGenerator, options: BenchOptions) {
  for (const operation of new Set(options.points.map((point) => point.operation))) {
    const targets = spread(system, { ...busyLoad, operation }, options.valueBytes);
    await generate(targets, 2 * options.warmUpSeconds);
  }
}

/** Warms up, loads and checks one point. */
export async function measurePoint(
  system: SystemUnderTest,
  point: LoadPoint,
  generate: LoadGenerator,
  options: BenchOptions,
): Promise<Measurement> {
  const targets = spread(system, point, options.valueBytes);
  await generate(targets, options.warmUpSeconds);
  const revisionBefore = await settledRevision(system);
  const cpuBefore = cpuMicroseconds(system.pids);
  const load = await generate(targets, options.measuredSeconds);
  const cpuAfter = cpuMicroseconds(system.pids);
  const revisions = (await settledRevision(system)) - revisionBefore;
  const cpu = cpuBefore === undefined || cpuAfter === undefined ? null : cpuAfter - cpuBefore;
  return {
    ...point,
    system: system.name,
    ratePerSecond: load.completed / options.measuredSeconds,
    p50Us: quantile(load.latenciesUs, 0.5),
    p99Us: quantile(load.latenciesUs, 0.99),
    cpuUsPerRequest: cpu === null ? null : cpu / load.completed,
    completed: load.completed,
    fault: findFault(point, load, revisions, options.valueBytes),
  };
}

/** The revision once it stands still: a load that ended leaves requests behind that are still being applied. */
function settledRevision(system: SystemUnderTest): Promise<number> {
  let last = -1;
  const look = async () => {
    const revision = await system.revision();
    const settled = revision === last;
    last = revision;
    return settled ? revision : undefined;
  };
  return waitUntil(look, { what: `the revision of ${system.name} stands still`, intervalMs: 100 });
}

/** Connections are dealt out one by one from the first follower on; each member gets a key of its own. */
function spread(system: SystemUnderTest, point: LoadPoint, valueBytes: number): LoadTarget[] {
  const { addresses } = system;
  const members = { spread: addresses, leader: addresses.slice(-1), follower: addresses.slice(0, 1) }[point.place];
  return members.flatMap((address, position) => {
    const connections = Math.ceil((point.connections - position) / members.length);
    if (connections <= 0) return [];
    const { path, message } = requestOf(system, point, benchKey(addresses.indexOf(address)), valueBytes);
    return [{ address, path, frame: frameMessage(message), connections, inFlight: point.inFlight }];
  });
}

function requestOf(system: SystemUnderTest, point: LoadPoint, key: string, valueBytes: number) {
  return point.operation === "get" ? system.getRequest(key) : system.putRequest(key, Buffer.alloc(valueBytes, "v"));
}

/** Key that the load sent to the member at `position` writes or reads. */
export function benchKey(position: number): string {
  return `bench/${position}`;
}

/**
 * A generator sees HTTP status 200 even where the gRPC call failed. Writes are checked by the revisions that they made:
 * at least one per answer, at most one per request sent. Reads are checked by the size of what came back.
 */
function findFault(point: LoadPoint, load: LoadResult, revisions: number, valueBytes: number): string | null {
  if (load.completed === 0) return "no request was answered";
  if (load.failed > 0) return `${load.failed} requests failed`;
  if (point.operation === "put") {
    const explained = revisions >= load.completed && revisions <= load.started;
    return explained ? null : `${load.completed} answers, ${load.started} requests, but ${revisions} writes`;
  }
  const bytesEach = load.bodyBytes / load.completed;
  return bytesEach > valueBytes ? null : `answers of ${bytesEach.toFixed(0)} bytes cannot hold the value`;
}
