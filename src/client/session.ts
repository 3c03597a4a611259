import { setTimeout as sleep } from "node:timers/promises";
import type { DescMessage, DescMethodUnary, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { localFailure } from "./call-failure.ts";
import { callWithFailover, type EndpointRing } from "./call-with-failover.ts";
import { ClientError } from "./client-error.ts";
import { createEndpoint } from "./endpoint.ts";
import { createRequestIds, type RequestIdFields, type RequestIds } from "./request-ids.ts";

/** Whom to ask, and how long. */
export interface SessionOptions {
  /** HOST:PORT of members; any of them answers everything. */
  readonly endpoints: readonly [string, ...string[]];
  /** For a request with all its retries, milliseconds. Default 5000. */
  readonly timeoutMs?: number;
  /** For one attempt, milliseconds. Default 2000. */
  readonly attemptTimeoutMs?: number;
}

/**
 * Calls with failover; writes each under a request id of a client session, of a new one when the last has ended. Rejects with
 * {@link ClientError}.
 */
export interface Session {
  read<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageInitShape<I>,
  ): Promise<MessageShape<O>>;
  /** Sends what `request` makes of a fresh id, the same in every attempt that may have been applied. */
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
  let requestIds = createRequestIds();
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
      const deadlineMs = failover.now() + failover.timeoutMs;
      const ids = requestIds;
      try {
        return await writeUnder(ids, request, (sent) =>
          callWithFailover(ring, method, sent, { ...failover, readOnly: false }),
        );
      } catch (error) {
        if (!(error instanceof ClientError) || error.reason !== "SESSION_EXPIRED") throw error;
        if (requestIds === ids) requestIds = createRequestIds();
        // An attempt that may have been applied must not be repeated under another id.
        if (error.outcome === "unknown") throw error;
        const timeoutMs = deadlineMs - failover.now();
        return writeUnder(requestIds, request, (sent) =>
          callWithFailover(ring, method, sent, { ...failover, timeoutMs, readOnly: false }),
        );
      }
    },
    close: () => {
      for (const endpoint of ring.endpoints) endpoint.close();
    },
  };
}

/** Sends a request under a fresh id, which is over when the request is. */
async function writeUnder<Request, Response>(
  ids: RequestIds,
  request: (id: RequestIdFields) => Request,
  send: (request: Request) => Promise<Response>,
): Promise<Response> {
  const id = ids.next();
  if (id === undefined) {
    throw new ClientError(localFailure("RESOURCE_EXHAUSTED", "too many writes under way", false), "not-applied");
  }
  try {
    return await send(request(id));
  } finally {
    ids.finish(id);
  }
}
