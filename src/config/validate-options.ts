import { type Address, formatAddress, isWildcard } from "./address.ts";
import { formatByteSize } from "./byte-size.ts";
import { formatDuration } from "./duration.ts";
import { kebabName, type OptionKey, type OptionValues, optionTable } from "./option-table.ts";

/** Least election timeout in heartbeat intervals: a few heartbeats may be late or lost without an election. */
export const electionTimeoutHeartbeatsMin = 5;

/** Room in a request for everything but key and value, bytes. */
const requestOverheadBytes = 1024;

/** Names an option with its value and source: `heartbeat-interval is "5s" (--heartbeat-interval)`. */
export type DescribeOption = (key: OptionKey) => string;

/** What is wrong between options that are each right alone; empty when nothing is. */
export function validateOptions(values: OptionValues, describe: DescribeOption): string[] {
  return [
    ...timingProblems(values, describe),
    ...sizeProblems(values, describe),
    ...addressProblems(values, describe),
    ...clusterProblems(values, describe),
  ];
}

function timingProblems(values: OptionValues, describe: DescribeOption): string[] {
  const least = electionTimeoutHeartbeatsMin * values.heartbeatInterval;
  if (values.electionTimeout >= least) return [];
  return [
    `${describe("electionTimeout")}: it must be at least ${formatDuration(least)}, ${electionTimeoutHeartbeatsMin} × ` +
      `heartbeat-interval (${formatDuration(values.heartbeatInterval)})`,
  ];
}

function sizeProblems(values: OptionValues, describe: DescribeOption): string[] {
  const least = values.maxKeySize + values.maxValueSize + requestOverheadBytes;
  if (values.maxRequestSize >= least) return [];
  return [
    `${describe("maxRequestSize")}: it must be at least ${formatByteSize(least)}, max-key-size ` +
      `(${formatByteSize(values.maxKeySize)}) + max-value-size (${formatByteSize(values.maxValueSize)}) + ` +
      formatByteSize(requestOverheadBytes),
  ];
}

function addressProblems(values: OptionValues, describe: DescribeOption): string[] {
  const problems: string[] = [];
  const listening = ["clientAddress", "peerAddress", "metricsAddress"] as const;
  for (const [position, key] of listening.entries()) {
    const clash = listening.slice(0, position).find((other) => overlaps(values[key], values[other]));
    if (clash !== undefined) problems.push(`${describe(key)}: ${kebabName(clash)} is the same; each needs its own`);
  }
  for (const key of ["advertiseClientAddress", "advertisePeerAddress"] as const) {
    if (isWildcard(values[key])) {
      problems.push(`${describe(key)}: nobody can connect to a wildcard; give a host that others reach`);
    }
  }
  return problems;
}

function overlaps(a: Address, b: Address): boolean {
  return a.port === b.port && a.port !== 0 && (a.host === b.host || isWildcard(a) || isWildcard(b));
}

function clusterProblems(values: OptionValues, describe: DescribeOption): string[] {
  const own = values.initialCluster.find((member) => member.name === values.name);
  if (own === undefined) return [`${describe("initialCluster")}: it must contain this member's name, "${values.name}"`];
  const advertised = formatAddress(values.advertisePeerAddress);
  if (own.peerAddress !== advertised) {
    return [
      `${describe("advertisePeerAddress")}: it must equal the address of ${values.name} in initial-cluster, ` +
        own.peerAddress,
    ];
  }
  if (values.initialCluster.length > 1 && values.peerAddress.port === 0) {
    return [`${describe("peerAddress")}: port 0 is only for a cluster of one member`];
  }
  return [];
}

/** Writes an option's value as one would give it. */
export function formatOption<K extends OptionKey>(key: K, values: OptionValues): string {
  const format: (value: never) => string = optionTable[key].type.format;
  return format(values[key] as never);
}
