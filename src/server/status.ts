import { create, toBinary } from "@bufbuild/protobuf";
import { anyPack, DurationSchema } from "@bufbuild/protobuf/wkt";
import { Metadata, status } from "@grpc/grpc-js";
import { ErrorInfoSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.ts";
import { StatusSchema } from "../gen/google/rpc/status_pb.ts";

/**
 * The one table of what a call can be refused for and the gRPC status that tells it (docs/errors.md has a heading for each).
 *
 * UNAVAILABLE, ABORTED and RESOURCE_EXHAUSTED from the server always mean: not applied, now or later. The only code behind
 * which a write may have been applied is DEADLINE_EXCEEDED with OUTCOME_UNKNOWN.
 */
const codes = {
  MALFORMED_REQUEST: status.INVALID_ARGUMENT,
  REQUEST_TOO_LARGE: status.INVALID_ARGUMENT,
  KEY_INVALID: status.INVALID_ARGUMENT,
  VALUE_TOO_LARGE: status.INVALID_ARGUMENT,
  REVISION_INVALID: status.INVALID_ARGUMENT,
  REQUEST_ID_INVALID: status.INVALID_ARGUMENT,
  READ_OPTIONS_INVALID: status.INVALID_ARGUMENT,
  NOT_LEADER: status.UNAVAILABLE,
  NO_LEADER: status.UNAVAILABLE,
  SHUTTING_DOWN: status.UNAVAILABLE,
  TOO_STALE: status.UNAVAILABLE,
  REVISION_NOT_REACHED: status.UNAVAILABLE,
  STATE_DIVERGED: status.UNAVAILABLE,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  NO_SPACE: status.RESOURCE_EXHAUSTED,
  TOO_MANY_PENDING: status.RESOURCE_EXHAUSTED,
  TOO_MANY_SESSIONS: status.RESOURCE_EXHAUSTED,
  PROPOSAL_DROPPED: status.ABORTED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  OUTCOME_UNKNOWN: status.DEADLINE_EXCEEDED,
  NOT_AN_INTEGER: status.FAILED_PRECONDITION,
  INTEGER_OVERFLOW: status.OUT_OF_RANGE,
  SESSION_EXPIRED: status.FAILED_PRECONDITION,
  SEQUENCE_ANSWERED: status.FAILED_PRECONDITION,
  SEQUENCE_REUSED: status.FAILED_PRECONDITION,
  UNSUPPORTED_COMMAND: status.FAILED_PRECONDITION,
  MEMBER_INVALID: status.INVALID_ARGUMENT,
  MEMBER_UNKNOWN: status.NOT_FOUND,
  MEMBER_EXISTS: status.ALREADY_EXISTS,
  TOO_MANY_MEMBERS: status.FAILED_PRECONDITION,
  NOT_A_LEARNER: status.FAILED_PRECONDITION,
  LEARNER_NOT_READY: status.FAILED_PRECONDITION,
  CONFIG_CHANGE_IN_PROGRESS: status.FAILED_PRECONDITION,
  CONFIGURATION_CHANGED: status.FAILED_PRECONDITION,
  QUORUM_AT_RISK: status.FAILED_PRECONDITION,
  TARGET_INVALID: status.FAILED_PRECONDITION,
  TRANSFER_IN_PROGRESS: status.FAILED_PRECONDITION,
  TRANSFER_FAILED: status.ABORTED,
  HASH_UNKNOWN: status.FAILED_PRECONDITION,
  SERVICE_UNKNOWN: status.NOT_FOUND,
  INTERNAL: status.INTERNAL,
} as const satisfies Readonly<Record<string, status>>;

/** Why a call was refused: stable, for programs. */
export type Reason = keyof typeof codes;

/** Whether a name, such as another member's, is a reason that this version knows. */
export function isReason(name: string): name is Reason {
  return Object.hasOwn(codes, name);
}

/** Every reason, for the test of the documentation. */
export const allReasons: readonly string[] = Object.keys(codes);

/** Domain of every `ErrorInfo` that raftkv sends. */
const errorDomain = "raftkv.v1";

/** A call refused, before it has become a gRPC status. */
export interface Refusal {
  readonly reason: Reason;
  /** For people; holds every fact that `metadata` holds, because not every tool decodes the details. */
  readonly message: string;
  /** For programs. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** When to try again; absent where waiting does not help. */
  readonly retryDelayMs?: number;
}

/** What grpc-js wants to end a call with. */
export interface RefusalStatus {
  readonly code: status;
  readonly details: string;
  readonly metadata: Metadata;
}

// The message travels twice in the trailers, once percent-encoded (three bytes a byte); common header limits are 8 KiB.
const messageCharactersMax = 1024;
// Cutting may halve a pair, and grpc-js percent-encodes with encodeURI, which throws on half of one.
const loneSurrogates = /\p{Surrogate}/gu;

/** The gRPC status of a refusal, with google.rpc.Status in the trailer `grpc-status-details-bin`. */
export function statusOf(refusal: Refusal): RefusalStatus {
  const code = codes[refusal.reason];
  const message = refusal.message.slice(0, messageCharactersMax).replace(loneSurrogates, "\uFFFD");
  const info = create(ErrorInfoSchema, {
    reason: refusal.reason,
    domain: errorDomain,
    metadata: { ...refusal.metadata },
  });
  const details = [anyPack(ErrorInfoSchema, info)];
  if (refusal.retryDelayMs !== undefined) {
    const seconds = Math.floor(refusal.retryDelayMs / 1000);
    const nanos = Math.round((refusal.retryDelayMs - seconds * 1000) * 1e6);
    const retryDelay = create(DurationSchema, { seconds: BigInt(seconds), nanos });
    details.push(anyPack(RetryInfoSchema, create(RetryInfoSchema, { retryDelay })));
  }
  const metadata = new Metadata();
  const encoded = toBinary(StatusSchema, create(StatusSchema, { code, message, details }));
  metadata.set("grpc-status-details-bin", Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength));
  return { code, details: message, metadata };
}
