import { ReadConsistency } from "../gen/raftkv/v1/common_pb.ts";
import { KvService } from "../gen/raftkv/v1/kv_service_pb.ts";
import { localFailure } from "./call-failure.ts";
import { ClientError } from "./client-error.ts";
import { type Entry, toEntry, toRevision, type Value } from "./entry.ts";
import { createSession, type SessionOptions } from "./session.ts";

/** Options of a write. */
export interface WriteOptions {
  /** Write only if the key's mod_revision is this; 0: only if it does not exist. Default: no condition. */
  readonly ifModRevision?: number | undefined;
  /** Answer with the pair that was replaced. Default false. */
  readonly returnPrevious?: boolean | undefined;
}

/** Options of a read. */
export interface ReadOptions {
  /** "stale" reads whatever the member asked has. Default "linearizable". */
  readonly consistency?: "linearizable" | "stale" | undefined;
}

/** What a write did. */
export interface WriteResult {
  /** False when `ifModRevision` did not match. */
  readonly applied: boolean;
  /** Revision that the answer reflects. */
  readonly revision: number;
  /** The replaced pair when asked for; the current one when not applied; else `null`. */
  readonly previous: Entry | null;
}

/** What a Delete did. */
export interface DeleteResult extends WriteResult {
  /** 0 or 1. */
  readonly deleted: number;
}

/** What an Increment did. */
export interface IncrementResult extends WriteResult {
  /** The sum; `null` when not applied. */
  readonly value: bigint | null;
}

/**
 * Reads and writes keys through any of several members. Every write carries a request id, so that its retries are applied
 * once. Rejects with {@link ClientError}.
 */
export interface RaftKvClient {
  put(key: string, value: Value, options?: WriteOptions): Promise<WriteResult>;
  /** `entry` is `null` when there is no such key. */
  get(key: string, options?: ReadOptions): Promise<{ readonly entry: Entry | null; readonly revision: number }>;
  delete(key: string, options?: WriteOptions): Promise<DeleteResult>;
  /** Adds to a decimal integer of 64 bits; a missing key counts as 0. */
  increment(key: string, delta: bigint, options?: WriteOptions): Promise<IncrementResult>;
  close(): void;
}

/** Makes a client; connects at the first request. */
export function createClient(options: SessionOptions): RaftKvClient {
  const session = createSession(options);
  return {
    put: async (key, value, options = {}) => {
      const request = { key: checkKey(key), payload: toPayload(value), ...toCondition(options) };
      const response = await session.write(KvService.method.put, (requestId) => ({ ...request, requestId }));
      return toWriteResult(response, response.previous);
    },
    get: async (key, options = {}) => {
      const consistency = options.consistency === "stale" ? ReadConsistency.STALE : ReadConsistency.LINEARIZABLE;
      const response = await session.read(KvService.method.get, { key: checkKey(key), read: { consistency } });
      return { entry: toEntry(response.kv), revision: toRevision(response.header) };
    },
    delete: async (key, options = {}) => {
      const request = { key: checkKey(key), ...toCondition(options) };
      const response = await session.write(KvService.method.delete, (requestId) => ({ ...request, requestId }));
      return { ...toWriteResult(response, response.previous[0]), deleted: Number(response.deleted ?? 0n) };
    },
    increment: async (key, delta, options = {}) => {
      const request = { key: checkKey(key), delta, ...toCondition(options) };
      const response = await session.write(KvService.method.increment, (requestId) => ({ ...request, requestId }));
      return { ...toWriteResult(response, response.previous), value: response.value ?? null };
    },
    close: () => session.close(),
  };
}

/** Refuses keys that UTF-8 cannot tell apart: every lone surrogate would become the same replacement character. */
function checkKey(key: string): string {
  if (!/\p{Surrogate}/u.test(key)) return key;
  throw new ClientError(localFailure("INVALID_ARGUMENT", "the key holds a lone surrogate", false), "not-applied");
}

function toPayload(value: Value) {
  return typeof value === "string" ? ({ case: "value", value } as const) : ({ case: "binaryValue", value } as const);
}

function toCondition(options: WriteOptions) {
  const returnPrevious = options.returnPrevious ?? false;
  return options.ifModRevision === undefined
    ? { returnPrevious }
    : { returnPrevious, ifModRevision: BigInt(options.ifModRevision) };
}

function toWriteResult(
  response: { readonly applied?: boolean | undefined; readonly header?: Parameters<typeof toRevision>[0] },
  previous: Parameters<typeof toEntry>[0],
): WriteResult {
  return { applied: response.applied ?? false, revision: toRevision(response.header), previous: toEntry(previous) };
}
