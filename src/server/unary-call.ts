import { randomUUID } from "node:crypto";
import type { handleUnaryCall, ServerUnaryCall, sendUnaryData } from "@grpc/grpc-js";
import type { Logger } from "../lib/logger.ts";
import { bytesOverloadedRefusal, overloadedRefusal, type RefusalContext, shuttingDownRefusal } from "./refusals.ts";
import type { ServerLimits } from "./server-limits.ts";
import { type Decoded, type Received, Undecodable } from "./service-definition.ts";
import { type Reason, type Refusal, statusOf } from "./status.ts";

/** What every unary call of one server shares. */
export interface CallEnvironment extends RefusalContext {
  readonly limits: ServerLimits;
  readonly logger: Logger;
  /** Calls under way; never beyond `limits.inFlightCallsMax`. */
  inFlightCalls: number;
  /** Bytes of their requests; beyond `limits.inFlightBytesMax` only by one that is alone. */
  inFlightBytes: number;
  /** Set once, when the server drains: what arrives from then on is refused. */
  draining: boolean;
  /** Told of every refusal, for the metrics. */
  onRefused(reason: Reason): void;
}

// Taken off the client's deadline, so that the answer "outcome unknown" reaches a client that still listens.
const answerMarginShare = 0.1;
const answerMarginMsMax = 50;

/** A unary call from its arrival to its one answer. */
export class UnaryCall<Request, Response> {
  readonly request: Request;
  /** Time of the replica's monotonic clock by which the answer must be known. */
  readonly deadlineMs: number;
  /** Whether the replica may pass the request on to the leader (metadata `raftkv-no-forward: 1` says no). */
  readonly forward: boolean;
  readonly #environment: CallEnvironment;
  readonly #call: ServerUnaryCall<unknown, Response>;
  readonly #callback: sendUnaryData<Response>;
  readonly #requestBytes: number;
  #answered = false;

  constructor(
    { message, bytes }: Received<Request>,
    call: ServerUnaryCall<unknown, Response>,
    callback: sendUnaryData<Response>,
    environment: CallEnvironment,
  ) {
    this.request = message;
    this.#requestBytes = bytes;
    this.#call = call;
    this.#callback = callback;
    this.#environment = environment;
    this.deadlineMs = environment.replica.now() + remainingMs(call, environment.limits);
    this.forward = call.metadata.get("raftkv-no-forward")[0] !== "1";
    environment.inFlightCalls++;
    environment.inFlightBytes += bytes;
  }

  /** Whether the caller is gone; what was not proposed by then should not be. */
  get cancelled(): boolean {
    return this.#call.cancelled;
  }

  /** Ends the call with a response. Later answers are ignored. */
  answer(response: Response): void {
    if (!this.#end()) return;
    this.#callback(null, response);
  }

  /** Ends the call with a refusal. Later answers are ignored. */
  refuse(refusal: Refusal): void {
    if (!this.#end()) return;
    this.#environment.onRefused(refusal.reason);
    this.#callback(statusOf(refusal), null);
  }

  /** Runs a later step of the handler; a throw ends the call as an internal error instead of the process. */
  proceed(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }

  /** Ends the call as an internal error: the log has the cause, the client only an id to ask for. */
  fail(error: unknown): void {
    this.refuse(internalRefusal(error, this.#call.getPath(), this.#environment.logger));
  }

  #end(): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.#environment.inFlightCalls--;
    this.#environment.inFlightBytes -= this.#requestBytes;
    return true;
  }
}

/** Refuses what arrives malformed, too late or in excess, and hands everything else to `handle`. */
export function unaryHandler<Request extends object, Response>(
  environment: CallEnvironment,
  handle: (call: UnaryCall<Request, Response>) => void,
): handleUnaryCall<Decoded<Request>, Response> {
  return (call, callback) => {
    const request = call.request;
    const refusal = arrivalRefusal(request, environment);
    if (refusal !== undefined) {
      environment.onRefused(refusal.reason);
      callback(statusOf(refusal), null);
    } else if (!call.cancelled && !(request instanceof Undecodable)) {
      const unary = new UnaryCall<Request, Response>(request, call, callback, environment);
      try {
        handle(unary);
      } catch (error) {
        unary.fail(error);
      }
    }
  };
}

function arrivalRefusal(request: Decoded<object>, environment: CallEnvironment): Refusal | undefined {
  if (request instanceof Undecodable) return request.refusal;
  if (environment.draining) return shuttingDownRefusal(environment);
  const { inFlightCalls, inFlightBytes, limits } = environment;
  if (inFlightCalls >= limits.inFlightCallsMax) return overloadedRefusal(inFlightCalls, limits.inFlightCallsMax);
  const { bytes } = request;
  // A request that is alone is taken at any size, so that none is refused for ever.
  if (inFlightCalls === 0 || inFlightBytes + bytes <= limits.inFlightBytesMax) return undefined;
  return bytesOverloadedRefusal(inFlightBytes, bytes, limits.inFlightBytesMax);
}

/** An error that nobody foresaw: logged under a fresh id, and only the id is told. */
export function internalRefusal(error: unknown, path: string, logger: Logger): Refusal {
  const errorId = randomUUID();
  logger.error({ error, errorId, path }, "a call failed unexpectedly");
  return {
    reason: "INTERNAL",
    message: `internal error ${errorId}; the member's log has the cause`,
    metadata: { error_id: errorId },
  };
}

function remainingMs(call: ServerUnaryCall<unknown, unknown>, limits: ServerLimits): number {
  const deadline = call.getDeadline();
  if (deadline === Number.POSITIVE_INFINITY) return limits.defaultDeadlineMs;
  const remaining = Math.min(Math.max(0, Number(deadline) - Date.now()), limits.deadlineMsMax);
  return remaining - Math.min(remaining * answerMarginShare, answerMarginMsMax);
}
