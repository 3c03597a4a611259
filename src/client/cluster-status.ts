import {
  ClusterService,
  type GetStatusResponse,
  GetStatusResponse_RaftRole,
  type Member,
  type SnapshotTransfer,
} from "../gen/raftkv/v1/cluster_service_pb.ts";
import { ReadConsistency } from "../gen/raftkv/v1/common_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { ClientError } from "./client-error.ts";
import { createEndpoint } from "./endpoint.ts";

/** Most members asked at once; a cluster has far fewer. */
const membersMax = 50;

/** A member's role in Raft. */
export type MemberRole = "follower" | "pre-candidate" | "candidate" | "leader" | "learner" | "unknown";

/** A snapshot on its way between two members. */
export interface SnapshotProgress {
  /** Id of the other member. */
  readonly memberId: string;
  /** Log index at which it stands; 0 before its first rows. */
  readonly index: number;
  readonly bytes: number;
  /** About what the whole comes to; 0 when not known. */
  readonly totalBytes: number;
}

/** What a member tells of itself. */
export interface MemberStatus {
  readonly name: string;
  readonly memberId: string;
  /** HOST:PORT for clients, as the member advertises it. */
  readonly clientAddress: string;
  readonly role: MemberRole;
  /** Empty when the member knows no leader. */
  readonly leaderId: string;
  readonly term: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** First index still in its log. */
  readonly firstIndex: number;
  /** Snapshot that it is fetching; `null` when it is not. */
  readonly receiving: SnapshotProgress | null;
  /** Snapshots that others are fetching from it. */
  readonly sending: readonly SnapshotProgress[];
  readonly version: string;
  /** Bytes of the longest value that it takes; 0 when it does not tell. */
  readonly maxValueBytes: number;
  readonly problems: readonly string[];
}

/** A member of the configuration, and its own words where it could be asked. */
export interface MemberReport {
  readonly name: string;
  readonly memberId: string;
  /** HOST:PORT for clients; empty when nobody asked knows it. */
  readonly clientAddress: string;
  /** `null` when it could not be asked. */
  readonly status: MemberStatus | null;
  /** Why it could not be asked; empty when it could. */
  readonly failure: string;
}

const roles: Readonly<Record<GetStatusResponse_RaftRole, MemberRole>> = {
  [GetStatusResponse_RaftRole.UNSPECIFIED]: "unknown",
  [GetStatusResponse_RaftRole.FOLLOWER]: "follower",
  [GetStatusResponse_RaftRole.PRE_CANDIDATE]: "pre-candidate",
  [GetStatusResponse_RaftRole.CANDIDATE]: "candidate",
  [GetStatusResponse_RaftRole.LEADER]: "leader",
  [GetStatusResponse_RaftRole.LEARNER]: "learner",
};

/** Asks one member for its status, once. Rejects with {@link ClientError}. */
export async function readMemberStatus(address: string, timeoutMs: number): Promise<MemberStatus> {
  const endpoint = createEndpoint(address);
  try {
    const result = await endpoint.call(ClusterService.method.getStatus, {}, timeoutMs);
    if (!result.ok) throw new ClientError(result.failure, "not-applied");
    return toMemberStatus(result.response, address);
  } finally {
    endpoint.close();
  }
}

/**
 * Asks every member of the cluster: those behind `endpoints`, and those that these list. Needs no leader and no quorum.
 * Rejects with {@link ClientError} when no endpoint answers.
 */
export async function readClusterStatus(endpoints: readonly string[], timeoutMs: number): Promise<MemberReport[]> {
  const direct = await Promise.all(endpoints.map((address) => askMember(address, timeoutMs)));
  const members = await Promise.any(endpoints.map((address) => listMembers(address, timeoutMs))).catch(
    (error: AggregateError) => {
      throw error.errors[0];
    },
  );
  const known = new Map(direct.flatMap(({ status }) => (status === null ? [] : [[status.memberId, status]])));
  return Promise.all(
    members.slice(0, membersMax).map(async ({ memberId, name, clientAddress }): Promise<MemberReport> => {
      const status = known.get(memberId);
      if (status !== undefined) return { memberId, name, clientAddress: status.clientAddress, status, failure: "" };
      if (clientAddress === "") return { memberId, name, clientAddress, status: null, failure: "address not known" };
      const answer = await askMember(clientAddress, timeoutMs);
      if (answer.status === null || answer.status.memberId === memberId)
        return { memberId, name, clientAddress, ...answer };
      const failure = `${answer.status.name} (${answer.status.memberId}) answers at its address`;
      return { memberId, name, clientAddress, status: null, failure };
    }),
  );
}

async function askMember(address: string, timeoutMs: number): Promise<Pick<MemberReport, "status" | "failure">> {
  try {
    return { status: await readMemberStatus(address, timeoutMs), failure: "" };
  } catch (error) {
    return { status: null, failure: error instanceof Error ? error.message : String(error) };
  }
}

/** A stale read on purpose: it must be answered when there is no leader. */
async function listMembers(address: string, timeoutMs: number): Promise<Member[]> {
  const endpoint = createEndpoint(address);
  try {
    const request = { read: { consistency: ReadConsistency.STALE } };
    const result = await endpoint.call(ClusterService.method.listMembers, request, timeoutMs);
    if (!result.ok) throw new ClientError(result.failure, "not-applied");
    return result.response.members;
  } finally {
    endpoint.close();
  }
}

function toMemberStatus(response: GetStatusResponse, address: string): MemberStatus {
  return {
    name: response.name,
    memberId: response.header?.memberId ?? "",
    clientAddress: response.clientAddress === "" ? address : response.clientAddress,
    role: roles[response.role] ?? "unknown",
    leaderId: response.header?.leaderId ?? "",
    term: toSafeNumber(response.header?.raftTerm ?? 0n, "raft_term"),
    commitIndex: toSafeNumber(response.commitIndex, "commit_index"),
    appliedIndex: toSafeNumber(response.appliedIndex, "applied_index"),
    firstIndex: toSafeNumber(response.firstIndex, "first_index"),
    receiving: response.receivingSnapshot === undefined ? null : toProgress(response.receivingSnapshot),
    sending: response.sendingSnapshots.map(toProgress),
    version: response.version,
    maxValueBytes: toSafeNumber(response.maxValueBytes, "max_value_bytes"),
    problems: response.problems,
  };
}

function toProgress({ memberId, index, bytes, totalBytes }: SnapshotTransfer): SnapshotProgress {
  return {
    memberId,
    index: toSafeNumber(index, "index"),
    bytes: toSafeNumber(bytes, "bytes"),
    totalBytes: toSafeNumber(totalBytes, "total_bytes"),
  };
}
