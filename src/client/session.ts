import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { localFailure } from "./call-failure.ts";
import { callWithFailover, type EndpointRing } from "./call-with-failover.ts";
import { ClientError } from "./client-error.ts";
import { createEndpoint } from "./endpoint.ts";
import { createRequestIds, type RequestIdFields } from "./request-ids.ts";

/** Whom to ask, and how long. */
export interface SessionOptions {
  /** HOST:PORT of members; any of them answers everything. */
  readonly endpoints: readonly [string, ...string[]];
  /** For a request with all its retries, milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** For one attempt, milliseconds. Default 2000. */
  readonly attemptTimeoutMs?: number;
}

/** Calls with failover; writes each under a request id of one client session. Rejects with {@link ClientError}. */
export interface Session {
  read<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
  /** Sends what `request` makes of a fresh id, the same in every attempt. */
  write<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: (requestId: RequestIdFields) => MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
  close(): void;
}

/** Opens a session; connects at the first call. */
export function createSession(options: SessionOptions): Session {
  const [first, ...rest] = options.endpoints;
  const ring: EndpointRing = { endpoints: [createEndpoint(first), ...rest.map(createEndpoint)], preferred: 0 };
  const requestIds = createRequestIds();
  const failover = {
    timeoutMs: options.timeoutMs ?? 5000,
    attemptTimeoutMs: options.attemptTimeoutMs ?? 2000,
    now: () => performance.now(),
    sleep: (ms: number) => sleep(ms),
    random: Math.random,
  };
  return {
    read: (method, request) => callWithFailover(ring, method, request, { ...failover, readOnly: true }),
    write: async (method, request) => {
      const id = requestIds.next();
      if (id === undefined) {
        throw new ClientError(localFailure("RESOURCE_EXHAUSTED", "too many writes under way", false), "not-applied");
      }
      try {
        return await callWithFailover(ring, method, request(id), { ...failover, readOnly: false });
      } finally {
        requestIds.finish(id);
      }
    },
    close: () => {
      for (const endpoint of ring.endpoints) endpoint.close();
    },
  };
}
