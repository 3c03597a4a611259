import { MaintenanceService } from "../gen/raftkv/v1/maintenance_service_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { type MemberReport, readClusterStatus } from "./cluster-status.ts";
import { createEndpoint } from "./endpoint.ts";

/** A member's log after it was compacted. */
export interface CompactedLog {
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly logSizeBytes: number;
}

/** What became of one member's log. */
export interface CompactionReport extends Pick<MemberReport, "name" | "memberId" | "clientAddress"> {
  /** `null` when it was not compacted. */
  readonly log: CompactedLog | null;
  /** Why it was not compacted; empty when it was. */
  readonly failure: string;
}

/** What to compact. */
export interface CompactionTarget {
  /** Id or name; default: every member. */
  readonly member?: string | undefined;
  /** Applied entries to keep. Default: as each member's settings say. */
  readonly trailingEntries?: number | undefined;
}

/**
 * Compacts the logs of a cluster's members, each by itself. Rejects with {@link ClientError} when no endpoint answers; no report
 * comes when nobody has the name or id asked for.
 */
export async function compactCluster(
  endpoints: readonly string[],
  timeoutMs: number,
  { member, trailingEntries }: CompactionTarget = {},
): Promise<CompactionReport[]> {
  const members = await readClusterStatus(endpoints, timeoutMs / 3);
  const wanted = members.filter(({ name, memberId }) => member === undefined || memberId === member || name === member);
  return Promise.all(wanted.map((report) => compactMember(report, timeoutMs / 3, trailingEntries)));
}

async function compactMember(
  { name, memberId, clientAddress, status, failure }: MemberReport,
  timeoutMs: number,
  trailingEntries: number | undefined,
): Promise<CompactionReport> {
  const identity = { name, memberId, clientAddress };
  if (status === null) return { ...identity, log: null, failure };
  const endpoint = createEndpoint(clientAddress);
  try {
    const request = trailingEntries === undefined ? {} : { trailingEntries: BigInt(trailingEntries) };
    const result = await endpoint.call(MaintenanceService.method.createSnapshot, request, timeoutMs);
    if (!result.ok) return { ...identity, log: null, failure: result.failure.message };
    const { firstIndex, lastIndex, logSizeBytes } = result.response;
    const log = {
      firstIndex: toSafeNumber(firstIndex, "first_index"),
      lastIndex: toSafeNumber(lastIndex, "last_index"),
      logSizeBytes: toSafeNumber(logSizeBytes, "log_size_bytes"),
    };
    return { ...identity, log, failure: "" };
  } finally {
    endpoint.close();
  }
}
