import { type Address, formatAddress, isWildcard } from "./address.ts";
import { formatByteSize } from "./byte-size.ts";
import { formatDuration } from "./duration.ts";
import { kebabName, type OptionKey, type OptionValues, optionTable } from "./option-table.ts";

/** Least election timeout in heartbeat intervals: a few heartbeats may be late or lost without an election. */
const electionTimeoutHeartbeatsMin = 5;

/** Room in a request for everything but key and value, bytes. */
const requestOverheadBytes = 1024;

/** Names an option with its value and source: `heartbeat-interval is "5s" (--heartbeat-interval)`. */
export type DescribeOption = (key: OptionKey) => string;

/** Something wrong between options that are each right alone. */
export interface OptionConflict {
  /** Options that it follows from. */
  readonly between: readonly OptionKey[];
  readonly problem: string;
}

/** What is wrong between options that are each right alone; empty when nothing is. */
export function validateOptions(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  return [
    ...timingConflicts(values, describe),
    ...stallConflicts(values, describe),
    ...sizeConflicts(values, describe),
    ...compactionConflicts(values, describe),
    ...addressConflicts(values, describe),
    ...clusterConflicts(values, describe),
  ];
}

function timingConflicts(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  const least = electionTimeoutHeartbeatsMin * values.heartbeatInterval;
  if (values.electionTimeout >= least) return [];
  const problem =
    `${describe("electionTimeout")}: it must be at least ${formatDuration(least)}, ${electionTimeoutHeartbeatsMin} × ` +
    `heartbeat-interval (${formatDuration(values.heartbeatInterval)})`;
  return [{ between: ["electionTimeout", "heartbeatInterval"], problem }];
}

function stallConflicts(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  if (values.writeStallTimeout > values.electionTimeout) return [];
  const problem =
    `${describe("writeStallTimeout")}: it must be longer than election-timeout ` +
    `(${formatDuration(values.electionTimeout)}), after which a leader hands over`;
  return [{ between: ["writeStallTimeout", "electionTimeout"], problem }];
}

function sizeConflicts(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  const least = values.maxKeySize + values.maxValueSize + requestOverheadBytes;
  if (values.maxRequestSize >= least) return [];
  const problem =
    `${describe("maxRequestSize")}: it must be at least ${formatByteSize(least)}, max-key-size ` +
    `(${formatByteSize(values.maxKeySize)}) + max-value-size (${formatByteSize(values.maxValueSize)}) + ` +
    formatByteSize(requestOverheadBytes);
  return [{ between: ["maxRequestSize", "maxKeySize", "maxValueSize"], problem }];
}

function compactionConflicts(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  if (values.compactionPinnedSize >= values.compactionLogSize) return [];
  const problem =
    `${describe("compactionPinnedSize")}: it must be at least compaction-log-size ` +
    `(${formatByteSize(values.compactionLogSize)})`;
  return [{ between: ["compactionPinnedSize", "compactionLogSize"], problem }];
}

function addressConflicts(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  const conflicts: OptionConflict[] = [];
  const listening = ["clientAddress", "peerAddress", "metricsAddress"] as const;
  for (const [position, key] of listening.entries()) {
    const clash = listening.slice(0, position).find((other) => overlaps(values[key], values[other]));
    if (clash === undefined) continue;
    const problem = `${describe(key)}: ${kebabName(clash)} is the same; each needs its own`;
    conflicts.push({ between: [key, clash], problem });
  }
  for (const key of ["advertiseClientAddress", "advertisePeerAddress"] as const) {
    if (!isWildcard(values[key])) continue;
    const problem = `${describe(key)}: nobody can connect to a wildcard; give a host that others reach`;
    conflicts.push({ between: [key, "clientAddress", "peerAddress", "initialCluster", "name"], problem });
  }
  return conflicts;
}

function overlaps(a: Address, b: Address): boolean {
  return a.port === b.port && a.port !== 0 && (a.host === b.host || isWildcard(a) || isWildcard(b));
}

function clusterConflicts(values: OptionValues, describe: DescribeOption): OptionConflict[] {
  const problem = values.join.length > 0 ? joinProblem(values, describe) : clusterProblem(values, describe);
  if (problem === undefined) return [];
  return [{ between: ["join", "initialCluster", "name", "peerAddress", "advertisePeerAddress"], problem }];
}

function joinProblem(values: OptionValues, describe: DescribeOption): string | undefined {
  if (values.initialCluster.length > 0) {
    return `${describe("join")}: a member is one of initial-cluster or joins a cluster, not both; ${describe("initialCluster")}`;
  }
  if (values.peerAddress.port === 0) {
    return `${describe("peerAddress")}: port 0 is only for a cluster of one member`;
  }
  return undefined;
}

function clusterProblem(values: OptionValues, describe: DescribeOption): string | undefined {
  const own = values.initialCluster.find((member) => member.name === values.name);
  if (own === undefined) return `${describe("initialCluster")}: it must contain this member's name, "${values.name}"`;
  if (own.peerAddress !== formatAddress(values.advertisePeerAddress)) {
    const wanted = `it must equal the address of ${values.name} in initial-cluster, ${own.peerAddress}`;
    return `${describe("advertisePeerAddress")}: ${wanted}`;
  }
  if (values.initialCluster.length > 1 && values.peerAddress.port === 0) {
    return `${describe("peerAddress")}: port 0 is only for a cluster of one member`;
  }
  return undefined;
}

/** Writes an option's value as one would give it. */
export function formatOption<K extends OptionKey>(key: K, values: OptionValues): string {
  const format: (value: never) => string = optionTable[key].type.format;
  return format(values[key] as never);
}
