import { type GetHashResponse, MaintenanceService } from "../gen/raftkv/v1/maintenance_service_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { backoffMs } from "./backoff.ts";
import { isRetryable } from "./call-failure.ts";
import { type CallFailure, ClientError } from "./client-error.ts";
import { type MemberReport, readClusterStatus } from "./cluster-status.ts";
import { type CallResult, createEndpoint, type Endpoint } from "./endpoint.ts";

/** What the state of a member came to at a checkpoint. */
export interface MemberHash {
  readonly index: number;
  /** Store revision of the state. */
  readonly revision: number;
  /** SHA-256 over all rows, 64 hexadecimal digits. */
  readonly hash: string;
  /** Version of the state machine that wrote the rows. */
  readonly stateVersion: number;
  readonly rows: number;
  /** Bytes of keys and values. */
  readonly sizeBytes: number;
}

/** What one member answered. */
export interface HashReport extends Pick<MemberReport, "name" | "memberId" | "clientAddress"> {
  /** `null` when it could not tell. */
  readonly state: MemberHash | null;
  /** Why it could not tell; empty when it could. */
  readonly failure: string;
}

/** The states of a cluster's members, all at one index. */
export interface HashComparison {
  readonly index: number;
  readonly members: readonly HashReport[];
  /** Whether there are two of one state version that differ. */
  readonly differ: boolean;
  /** State versions that there are, ascending; the states of members of different ones are not compared. */
  readonly stateVersions: readonly number[];
}

/** How many members have told, or could not, of how many. */
export type HashProgress = (done: number, members: number) => void;

/**
 * Takes a checkpoint and asks every member what its state came to there. `onProgress` is told of each answer. Rejects with {@link ClientError} when no endpoint
 * answers, or nobody takes a checkpoint in time.
 */
export async function compareHashes(
  endpoints: readonly string[],
  timeoutMs: number,
  onProgress: HashProgress = () => {},
): Promise<HashComparison> {
  const deadlineMs = performance.now() + timeoutMs;
  const reports = await readClusterStatus(endpoints, Math.min(timeoutMs / 3, statusMsMax));
  const index = await takeCheckpoint(reports, deadlineMs);
  let done = 0;
  onProgress(done, reports.length);
  const members = await Promise.all(
    reports.map(async (report) => {
      const told = await askMember(report, index, deadlineMs);
      onProgress(++done, reports.length);
      return told;
    }),
  );
  const states = members.flatMap(({ state }) => (state === null ? [] : [state]));
  const stateVersions = [...new Set(states.map(({ stateVersion }) => stateVersion))].sort((a, b) => a - b);
  const hashes = new Set(states.map(({ stateVersion, hash }) => `${stateVersion} ${hash}`));
  return { index, members, differ: hashes.size > stateVersions.length, stateVersions };
}

const statusMsMax = 5_000;

/** What a checkpoint is worth waiting for before its index is known; a member that is late tells the index. */
const checkpointMsMax = 3_000;

async function takeCheckpoint(reports: readonly MemberReport[], deadlineMs: number): Promise<number> {
  const up = reports.filter(({ status }) => status !== null);
  for (let round = 1; ; round++) {
    const { clientAddress = "" } = up[(round - 1) % up.length] ?? {};
    const leftMs = deadlineMs - performance.now();
    const result = await atMember(clientAddress, (endpoint) =>
      askOnce(endpoint, null, Math.min(leftMs, checkpointMsMax)),
    );
    if (result.ok) return toSafeNumber(result.response.index, "index");
    const { failure } = result;
    const taken = failure.metadata["index"];
    if (taken !== undefined) return Number(taken);
    await retryLater(failure, round, deadlineMs);
  }
}

async function askMember(
  { name, memberId, clientAddress, status, failure }: MemberReport,
  index: number,
  deadlineMs: number,
): Promise<HashReport> {
  const identity = { name, memberId, clientAddress };
  if (status === null) return { ...identity, state: null, failure };
  try {
    const response = await atMember(clientAddress, (endpoint) => askUntil(endpoint, index, deadlineMs));
    return { ...identity, state: toMemberHash(response), failure: "" };
  } catch (error) {
    return { ...identity, state: null, failure: error instanceof Error ? error.message : String(error) };
  }
}

/** Asks again as long as the member is reading: a call may not last as long as that. */
async function askUntil(endpoint: Endpoint, index: number, deadlineMs: number): Promise<GetHashResponse> {
  for (let round = 1; ; round++) {
    const result = await askOnce(endpoint, index, deadlineMs - performance.now());
    if (result.ok) return result.response;
    await retryLater(result.failure, round, deadlineMs);
  }
}

function askOnce(endpoint: Endpoint, index: number | null, timeoutMs: number): Promise<CallResult<GetHashResponse>> {
  const request = index === null ? {} : { index: BigInt(index) };
  return endpoint.call(MaintenanceService.method.getHash, request, Math.max(1, timeoutMs));
}

/** Waits before another attempt; rejects when none is worth it, or no time is left. */
async function retryLater(failure: CallFailure, round: number, deadlineMs: number): Promise<void> {
  const delayMs = Math.max(backoffMs(round, Math.random), failure.retryDelayMs);
  const pointless = !isRetryable(failure) || performance.now() + delayMs >= deadlineMs;
  if (pointless) throw new ClientError(failure, "not-applied");
  await new Promise((resolve) => setTimeout(resolve, delayMs));
}

async function atMember<T>(address: string, ask: (endpoint: Endpoint) => Promise<T>): Promise<T> {
  const endpoint = createEndpoint(address);
  try {
    return await ask(endpoint);
  } finally {
    endpoint.close();
  }
}

function toMemberHash({ index, revision, hash, rows, sizeBytes, stateVersion }: GetHashResponse): MemberHash {
  return {
    index: toSafeNumber(index, "index"),
    revision: toSafeNumber(revision, "revision"),
    hash,
    stateVersion: stateVersion || 1,
    rows: toSafeNumber(rows, "rows"),
    sizeBytes: toSafeNumber(sizeBytes, "size_bytes"),
  };
}
