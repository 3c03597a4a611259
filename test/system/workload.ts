import { KvService } from "../../src/gen/raftkv/v1/kv_service_pb.ts";
import type { ClusterMember, ProcessCluster } from "../lib/process-cluster.ts";
import { callUntilAnswered } from "./retrying-client.ts";

/** What the writers of a {@link Workload} know to be in the store. */
export interface Acknowledged {
  /** Value of every key that a Put wrote. */
  readonly puts: Map<string, string>;
  /** Sum of every counter. */
  readonly counters: Map<string, number>;
  /** Attempts beyond the first. */
  retries: number;
}

/** Clients that write until they are stopped. */
export interface Workload {
  readonly acknowledged: Acknowledged;
  /** Resolves to the time at which the next write is acknowledged whose attempt began after this call. */
  nextAcknowledgement(): Promise<number>;
  /** Longest time without an acknowledged write since the last call, or since the first write, milliseconds. */
  takeLongestStallMs(): number;
  /** Lets every writer finish its write; rejects with the first error that a writer met. */
  stop(): Promise<Acknowledged>;
}

/** Counter that every writer adds to. */
export const sharedCounter = "counter/shared";

interface Waiter {
  readonly since: number;
  readonly resolve: (at: number) => void;
}

/**
 * Starts `perMember` writers for each member (3 by default), each with a session of its own, whose name begins with `prefix`
 * (empty by default). A writer puts unique keys and adds to its own and to the shared counter in turn, with a request id that it
 * repeats at the other members until it is answered.
 */
export function startWorkload(cluster: ProcessCluster, perMember = 3, prefix = ""): Workload {
  const acknowledged: Acknowledged = { puts: new Map(), counters: new Map(), retries: 0 };
  const stopped = new AbortController();
  let waiters: Waiter[] = [];
  let lastAt: number | undefined;
  let longestStallMs = 0;
  const acknowledge = (attemptedAt: number) => {
    const now = performance.now();
    longestStallMs = Math.max(longestStallMs, now - (lastAt ?? now));
    lastAt = now;
    for (const waiter of waiters.filter(({ since }) => since < attemptedAt)) waiter.resolve(now);
    waiters = waiters.filter(({ since }) => since >= attemptedAt);
  };
  const writers = cluster.members.flatMap((_, position) =>
    Array.from({ length: perMember }, (__, number) =>
      write(cluster.members, position, `${prefix}w${position}-${number}`, acknowledged, acknowledge, stopped.signal),
    ),
  );
  const finished = Promise.all(writers);
  // Seen again by whoever calls stop(); until then it must not count as unhandled.
  finished.catch(() => {});
  return {
    acknowledged,
    nextAcknowledgement: () => new Promise((resolve) => waiters.push({ since: performance.now(), resolve })),
    takeLongestStallMs: () => {
      const taken = longestStallMs;
      longestStallMs = 0;
      return taken;
    },
    stop: async () => {
      stopped.abort();
      await finished;
      return acknowledged;
    },
  };
}

/**
 * How long a write is tried, milliseconds: far longer than any outage, since tests also look into the directories of members
 * that they stopped all at once, and that takes a busy machine a while.
 */
const giveUpMs = 120_000;

async function write(
  members: readonly ClusterMember[],
  first: number,
  clientId: string,
  acknowledged: Acknowledged,
  acknowledge: (attemptedAt: number) => void,
  stopped: AbortSignal,
): Promise<void> {
  const ownCounter = `counter/${clientId}`;
  for (let sequence = 1n; !stopped.aborted; sequence++) {
    const requestId = { clientId, sequence, firstPendingSequence: sequence };
    const counter = [undefined, ownCounter, sharedCounter][Number(sequence % 3n)];
    if (counter === undefined) {
      const [key, value] = [`${clientId}/${sequence}`, `value ${sequence} of ${clientId}`];
      const request = { key, payload: { case: "value", value }, requestId } as const;
      const { attemptedAt, attempts } = await callUntilAnswered(
        members,
        first,
        KvService.method.put,
        request,
        giveUpMs,
      );
      acknowledged.puts.set(key, value);
      acknowledged.retries += attempts - 1;
      acknowledge(attemptedAt);
    } else {
      const request = { key: counter, requestId };
      const answer = await callUntilAnswered(members, first, KvService.method.increment, request, giveUpMs);
      const count = (acknowledged.counters.get(counter) ?? 0) + 1;
      acknowledged.counters.set(counter, count);
      acknowledged.retries += answer.attempts - 1;
      acknowledge(answer.attemptedAt);
      const { value } = answer.response;
      if (counter === ownCounter && value !== BigInt(count)) {
        throw new Error(`increment ${count} of ${counter} answered ${value}`);
      }
    }
  }
}
