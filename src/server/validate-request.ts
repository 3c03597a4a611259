import type { Duration } from "@bufbuild/protobuf/wkt";
import { ReadConsistency, type ReadOptions, type RequestId } from "../gen/raftkv/v1/common_pb.ts";
import type { ServerLimits } from "./server-limits.ts";
import type { Refusal } from "./status.ts";

const integerMax = BigInt(Number.MAX_SAFE_INTEGER);

/** Checked options of a read. */
export interface ReadPolicy {
  readonly linearizable: boolean;
  /** Longest time since the member heard from a leader; `undefined`: any. */
  readonly staleMsMax: number | undefined;
  /** Oldest revision that may be served. */
  readonly minRevision: number;
}

const linearizableRead: ReadPolicy = { linearizable: true, staleMsMax: undefined, minRevision: 0 };

/** Why a key is refused; `undefined` when it is good. */
export function keyRefusal(key: string, limits: ServerLimits): Refusal | undefined {
  // No character takes less than a byte or more than three per UTF-16 unit: most keys need no exact count.
  if (key.length > 0 && key.length * 3 <= limits.keyBytesMax) return undefined;
  const size = Buffer.byteLength(key);
  if (size >= 1 && size <= limits.keyBytesMax) return undefined;
  const limit = limits.keyBytesMax;
  return {
    reason: "KEY_INVALID",
    message:
      size === 0 ? `key is empty; it must have 1 to ${limit} bytes` : `key has ${size} bytes; the limit is ${limit}`,
    metadata: { field: "key", size: String(size), limit: String(limit) },
  };
}

/** Why a value of `size` bytes is refused; `undefined` when it is good. */
export function valueRefusal(size: number, limits: ServerLimits): Refusal | undefined {
  if (size <= limits.valueBytesMax) return undefined;
  return {
    reason: "VALUE_TOO_LARGE",
    message: `value has ${size} bytes; the limit is ${limits.valueBytesMax}`,
    metadata: { size: String(size), limit: String(limits.valueBytesMax) },
  };
}

/** Why a revision of the request is refused; `undefined` when it is good or absent. */
export function revisionRefusal(revision: bigint | undefined, field: string): Refusal | undefined {
  if (revision === undefined || revision <= integerMax) return undefined;
  return {
    reason: "REVISION_INVALID",
    message: `${field} is ${revision}; the limit is ${integerMax}`,
    metadata: { field, limit: String(integerMax) },
  };
}

/** Why a request id is refused; `undefined` when it is good or absent. */
export function requestIdRefusal(id: RequestId | undefined, limits: ServerLimits): Refusal | undefined {
  if (id === undefined) return undefined;
  const size = Buffer.byteLength(id.clientId);
  if (size < 1 || size > limits.clientIdBytesMax) {
    return requestIdInvalid("client_id", `has ${size} bytes; it must have 1 to ${limits.clientIdBytesMax}`);
  }
  if (id.sequence < 1n || id.sequence > integerMax) {
    return requestIdInvalid("sequence", `is ${id.sequence}; it must lie between 1 and ${integerMax}`);
  }
  if (id.firstPendingSequence > id.sequence) {
    return requestIdInvalid(
      "first_pending_sequence",
      `is ${id.firstPendingSequence}; it must not be beyond sequence, which is ${id.sequence}`,
    );
  }
  return undefined;
}

function requestIdInvalid(field: string, what: string): Refusal {
  const name = `request_id.${field}`;
  return { reason: "REQUEST_ID_INVALID", message: `${name} ${what}`, metadata: { field: name } };
}

/** Checks the options of a read: the policy, or why they are refused. */
export function readPolicy(options: ReadOptions | undefined): ReadPolicy | Refusal {
  if (options === undefined) return linearizableRead;
  const stale = options.consistency === ReadConsistency.STALE;
  if (
    !stale &&
    options.consistency !== ReadConsistency.UNSPECIFIED &&
    options.consistency !== ReadConsistency.LINEARIZABLE
  ) {
    return readOptionsInvalid("consistency", `has the unknown value ${Number(options.consistency)}`);
  }
  const revision = revisionRefusal(options.minRevision, "read.min_revision");
  if (revision !== undefined) return revision;
  let staleMsMax: number | undefined;
  if (options.maxStaleness !== undefined) {
    if (!stale) return readOptionsInvalid("max_staleness", "applies to READ_CONSISTENCY_STALE only");
    staleMsMax = durationMs(options.maxStaleness);
    if (staleMsMax === undefined) {
      return readOptionsInvalid("max_staleness", "is negative or no valid duration; the least is 0s");
    }
  }
  return { linearizable: !stale, staleMsMax, minRevision: Number(options.minRevision) };
}

function readOptionsInvalid(field: string, what: string): Refusal {
  const name = `read.${field}`;
  return { reason: "READ_OPTIONS_INVALID", message: `${name} ${what}`, metadata: { field: name } };
}

/** Milliseconds of a duration that is not negative; `undefined` when it is, or breaks the rules of the type. */
function durationMs(duration: Duration): number | undefined {
  const { seconds, nanos } = duration;
  if (seconds < 0n || nanos < 0 || nanos > 999_999_999 || seconds > 315_576_000_000n) return undefined;
  return Number(seconds) * 1000 + nanos / 1e6;
}
