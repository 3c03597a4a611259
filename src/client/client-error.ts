import type { status } from "@grpc/grpc-js";

/** A gRPC status by name. */
export type StatusName = keyof typeof status;

/** How one attempt of a call failed. */
export interface CallFailure {
  readonly code: StatusName;
  /** Reason of the service's ErrorInfo (docs/errors.md); `null` when the failure does not come from the service. */
  readonly reason: string | null;
  /** Metadata of the ErrorInfo, such as limits and sizes. */
  readonly metadata: Readonly<Record<string, string>>;
  readonly message: string;
  /** How long the service asks to wait, milliseconds; 0 when it does not. */
  readonly retryDelayMs: number;
  /** Whether the request may have left this process. */
  readonly sent: boolean;
}

/** What is known of a failed request: certainly without effect, now and later, or not known. */
export type FailedOutcome = "not-applied" | "unknown";

/** A request that failed for good: not worth a retry, or no time left for one. */
export class ClientError extends Error {
  override readonly name = "ClientError";
  readonly code: StatusName;
  readonly reason: string | null;
  readonly metadata: Readonly<Record<string, string>>;
  /** Of reads always "not-applied". */
  readonly outcome: FailedOutcome;

  constructor(failure: CallFailure, outcome: FailedOutcome) {
    super(failure.message);
    this.code = failure.code;
    this.reason = failure.reason;
    this.metadata = failure.metadata;
    this.outcome = outcome;
  }
}
