import { randomBytes } from "node:crypto";

/** Most writes of one session that may wait for their answer. */
const pendingWritesMax = 1000;

/** Names one write in all its attempts. */
export interface RequestIdFields {
  readonly clientId: string;
  readonly sequence: bigint;
  readonly firstPendingSequence: bigint;
}

/** One client session: hands out request ids in order and knows which still wait. */
export interface RequestIds {
  /** A fresh id, pending until {@link RequestIds.finish}; `undefined` when {@link pendingWritesMax} are. */
  next(): RequestIdFields | undefined;
  /** The caller has the answer, or has given up: the cluster may forget the result. */
  finish(id: RequestIdFields): void;
}

/** Opens a session under a random name of 128 bits. */
export function createRequestIds(): RequestIds {
  const clientId = randomBytes(16).toString("hex");
  // In order of insertion, so the first is the lowest.
  const pending = new Set<bigint>();
  let last = 0n;
  return {
    next: () => {
      if (pending.size >= pendingWritesMax) return undefined;
      last += 1n;
      pending.add(last);
      const [firstPendingSequence = last] = pending;
      return { clientId, sequence: last, firstPendingSequence };
    },
    finish: (id) => pending.delete(id.sequence),
  };
}
