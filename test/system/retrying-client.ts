import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import type { ClusterMember } from "../lib/process-cluster.ts";
import { pause } from "../lib/wait-until.ts";

/** An answer, with when the attempt that got it was sent (milliseconds of `performance.now`). */
export interface Answer<T> {
  readonly response: T;
  readonly attemptedAt: number;
  readonly attempts: number;
}

/** How long one attempt may take: short where another member can be asked, so that one that died or hangs is left soon. */
const [attemptTimeoutMs, onlyAttemptTimeoutMs] = [1_000, 10_000];

/** Statuses after which the same request may be sent again, given that it has a request id. */
const retried: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.ABORTED,
  status.RESOURCE_EXHAUSTED,
  status.CANCELLED,
]);

/**
 * Sends one request until it is answered, each time to the next member from `first` on. Rejects on a status that a
 * retry cannot mend, and when `giveUpMs` (60 000 by default) have passed.
 */
export async function callUntilAnswered<I extends DescMessage, O extends DescMessage>(
  members: readonly ClusterMember[],
  first: number,
  method: DescMethodUnary<I, O>,
  request: MessageInitShape<I>,
  giveUpMs = 60_000,
): Promise<Answer<MessageShape<O>>> {
  const giveUpAt = performance.now() + giveUpMs;
  const timeoutMs = members.length === 1 ? onlyAttemptTimeoutMs : attemptTimeoutMs;
  for (let attempts = 1; ; attempts++) {
    const member = members[(first + attempts - 1) % members.length];
    if (member === undefined) throw new Error("no members to call");
    const attemptedAt = performance.now();
    const result = await member.client.call(method, request, timeoutMs);
    if (result.ok) return { response: result.response, attemptedAt, attempts };
    if (!isRetried(result.code, result.message)) {
      throw new Error(`${member.name} ${method.name}: status ${result.code}: ${result.message}`);
    }
    if (performance.now() > giveUpAt) {
      throw new Error(`${method.name} unanswered after ${attempts} attempts: status ${result.code}: ${result.message}`);
    }
    if (attempts % members.length === 0) await pause(10);
  }
}

/** Whether a retry may help; a connection that is cut off in the middle of a call shows as INTERNAL in grpc-js. */
export function isRetried(code: status, message: string): boolean {
  return retried.has(code) || (code === status.INTERNAL && message.includes("RST_STREAM"));
}
