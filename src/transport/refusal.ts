import { Metadata, status } from "@grpc/grpc-js";

/** Trailer that names why a peer was refused, for programs: one of {@link RefusalReason}. */
export const refusalReasonKey = "raftkv-refusal-reason";

/** Why a peer's stream is refused or ended, or its request for a snapshot not answered. */
export type RefusalReason =
  | "CLUSTER_MISMATCH"
  | "MEMBER_MISMATCH"
  | "PROTOCOL_MISMATCH"
  | "UNKNOWN_MEMBER"
  | "HELLO_REFUSED"
  | "HELLO_MISSING"
  | "MALFORMED_FRAME"
  | "HANDSHAKE_TIMEOUT"
  | "TOO_MANY_STREAMS"
  | "REPLACED"
  | "SHUTTING_DOWN"
  /** The snapshot is not kept any more; a new one may be asked for. */
  | "SNAPSHOT_GONE"
  /** As many requests for snapshots are being answered as may be. */
  | "TOO_MANY_FETCHES"
  /** The replica could not answer. */
  | "SNAPSHOT_UNAVAILABLE";

const statusOf: Record<RefusalReason, status> = {
  CLUSTER_MISMATCH: status.FAILED_PRECONDITION,
  MEMBER_MISMATCH: status.FAILED_PRECONDITION,
  PROTOCOL_MISMATCH: status.FAILED_PRECONDITION,
  UNKNOWN_MEMBER: status.FAILED_PRECONDITION,
  HELLO_REFUSED: status.FAILED_PRECONDITION,
  HELLO_MISSING: status.INVALID_ARGUMENT,
  MALFORMED_FRAME: status.INVALID_ARGUMENT,
  HANDSHAKE_TIMEOUT: status.DEADLINE_EXCEEDED,
  TOO_MANY_STREAMS: status.RESOURCE_EXHAUSTED,
  REPLACED: status.ABORTED,
  SHUTTING_DOWN: status.UNAVAILABLE,
  SNAPSHOT_GONE: status.NOT_FOUND,
  TOO_MANY_FETCHES: status.RESOURCE_EXHAUSTED,
  SNAPSHOT_UNAVAILABLE: status.UNAVAILABLE,
};

/** A status of grpc-js. */
export interface RefusalStatus {
  readonly code: status;
  /** For people. */
  readonly details: string;
  readonly metadata: Metadata;
}

/** The status that tells people and programs why. */
export function refusalStatus(reason: RefusalReason, details: string): RefusalStatus {
  const metadata = new Metadata();
  metadata.set(refusalReasonKey, reason);
  return { code: statusOf[reason], details, metadata };
}
