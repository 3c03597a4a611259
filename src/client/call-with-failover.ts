import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { backoffMs } from "./backoff.ts";
import { isCertainlyNotApplied, isRetryable, localFailure, mayPassSoon } from "./call-failure.ts";
import { type CallFailure, ClientError, type FailedOutcome } from "./client-error.ts";
import type { Endpoint } from "./endpoint.ts";

/** Endpoints in turn; the one that answered last is asked first. */
export interface EndpointRing {
  readonly endpoints: readonly [Endpoint, ...Endpoint[]];
  /** Position of the endpoint to ask. */
  preferred: number;
}

/** Time and chance, given by the caller. */
export interface FailoverOptions {
  /** For the whole request, retries included, milliseconds. */
  readonly timeoutMs: number;
  /** For one attempt, milliseconds: an endpoint that hangs is left for the next. */
  readonly attemptTimeoutMs: number;
  /** Whether the request changes nothing, so that its failure never leaves an unknown outcome. */
  readonly readOnly: boolean;
  /** Whether the request may be sent again when it may have been applied; default true, for what carries a request id. */
  readonly repeatable?: boolean;
  /** A monotonic clock, milliseconds. */
  readonly now: () => number;
  /** Resolves after so many milliseconds. */
  readonly sleep: (ms: number) => Promise<void>;
  /** From 0 to 1. */
  readonly random: () => number;
}

/** Calls one endpoint after the other until one answers, a failure is final, or time is up; then throws {@link ClientError}. */
export async function callWithFailover<I extends DescMessage, O extends DescMessage>(
  ring: EndpointRing,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  options: FailoverOptions,
): Promise<MessageShape<O>> {
  const deadlineMs = options.now() + options.timeoutMs;
  let outcome: FailedOutcome = "not-applied";
  let last: CallFailure = localFailure("DEADLINE_EXCEEDED", "no time to ask any endpoint", false);
  for (let attempt = 1; ; attempt++) {
    const leftMs = deadlineMs - options.now();
    if (leftMs <= 0) throw new ClientError(last, outcome);
    const endpoint = ring.endpoints[ring.preferred] ?? ring.endpoints[0];
    const result = await endpoint.call(method, request, Math.min(leftMs, options.attemptTimeoutMs));
    if (result.ok) return result.response;

    last = result.failure;
    if (!options.readOnly && !isCertainlyNotApplied(last)) outcome = "unknown";
    if (!isRetryable(last) || (options.repeatable === false && outcome === "unknown"))
      throw new ClientError(last, outcome);
    ring.preferred = (ring.preferred + 1) % ring.endpoints.length;
    const roundDelayMs =
      attempt % ring.endpoints.length === 0 ? backoffMs(attempt / ring.endpoints.length, options.random) : 0;
    const delayMs = Math.max(roundDelayMs, mayPassSoon.includes(last.reason ?? "") ? last.retryDelayMs : 0);
    if (delayMs >= deadlineMs - options.now()) throw new ClientError(last, outcome);
    if (delayMs > 0) await options.sleep(delayMs);
  }
}
