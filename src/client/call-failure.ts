import { fromBinary } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { type ServiceError, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";
import type { CallFailure, StatusName } from "./client-error.ts";

/** Longest wait that a server may ask for, milliseconds. */
const retryDelayMsMax = 10_000;

/** A failure that this side found out by itself. */
export function localFailure(code: StatusName, message: string, sent: boolean): CallFailure {
  return { code, reason: null, metadata: {}, message, retryDelayMs: 0, sent };
}

/** Reads a gRPC error with the details that raftkv's services attach (google.rpc.Status in a trailer). */
export function fromServiceError(error: ServiceError, endpoint: string): CallFailure {
  const code = (status[error.code] ?? "UNKNOWN") as StatusName;
  const failure = localFailure(code, `${endpoint}: ${error.details || error.message}`, true);
  const encoded = error.metadata?.get("grpc-status-details-bin")[0];
  return encoded instanceof Uint8Array ? { ...failure, ...details(encoded) } : failure;
}

type When = "always" | "with reason" | "without reason" | "never";

/**
 * What each status means. The service attaches an ErrorInfo to everything it answers; a status without one was made up by
 * a client library or a proxy, perhaps after the request had arrived.
 */
const policy: Readonly<Record<StatusName, { readonly notApplied: When; readonly retry: When }>> = {
  OK: { notApplied: "never", retry: "never" },
  INVALID_ARGUMENT: { notApplied: "always", retry: "never" },
  UNIMPLEMENTED: { notApplied: "always", retry: "never" },
  UNAUTHENTICATED: { notApplied: "always", retry: "never" },
  PERMISSION_DENIED: { notApplied: "always", retry: "never" },
  FAILED_PRECONDITION: { notApplied: "with reason", retry: "never" },
  NOT_FOUND: { notApplied: "with reason", retry: "never" },
  OUT_OF_RANGE: { notApplied: "with reason", retry: "never" },
  ALREADY_EXISTS: { notApplied: "with reason", retry: "never" },
  RESOURCE_EXHAUSTED: { notApplied: "with reason", retry: "never" },
  UNAVAILABLE: { notApplied: "with reason", retry: "always" },
  ABORTED: { notApplied: "with reason", retry: "always" },
  DEADLINE_EXCEEDED: { notApplied: "never", retry: "always" },
  INTERNAL: { notApplied: "never", retry: "without reason" },
  UNKNOWN: { notApplied: "never", retry: "without reason" },
  CANCELLED: { notApplied: "never", retry: "without reason" },
  DATA_LOSS: { notApplied: "never", retry: "never" },
};

/** Whether the call certainly had no effect and never will. */
export function isCertainlyNotApplied(failure: CallFailure): boolean {
  // The service gives this reason only to what it has not proposed; see OUTCOME_UNKNOWN for the rest.
  if (failure.reason === "DEADLINE_EXCEEDED") return true;
  return !failure.sent || holds(policy[failure.code].notApplied, failure);
}

/** Reasons that pass by themselves, so that the same endpoint may be asked again after the delay that it names. */
export const mayPassSoon: readonly string[] = ["OVERLOADED", "CONFIG_CHANGE_IN_PROGRESS"];

/** Whether another attempt may succeed. Safe for writes only because each attempt carries the same request id. */
export function isRetryable(failure: CallFailure): boolean {
  return holds(policy[failure.code].retry, failure) || mayPassSoon.includes(failure.reason ?? "");
}

function holds(when: When, failure: CallFailure): boolean {
  return when === "always" || (when !== "never" && (when === "with reason") === (failure.reason !== null));
}

function details(encoded: Uint8Array): Partial<CallFailure> {
  let found: Partial<CallFailure> = {};
  try {
    for (const detail of fromBinary(StatusSchema, encoded).details) {
      const info = anyUnpack(detail, ErrorInfoSchema);
      if (info !== undefined) found = { ...found, reason: info.reason, metadata: info.metadata };
      const delay = anyUnpack(detail, RetryInfoSchema)?.retryDelay;
      if (delay !== undefined) {
        const delayMs = Number(delay.seconds) * 1000 + delay.nanos / 1e6;
        found = { ...found, retryDelayMs: Math.min(Math.max(delayMs, 0), retryDelayMsMax) };
      }
    }
  } catch {
    // Details that cannot be decoded leave the plain status, which says enough.
  }
  return found;
}
