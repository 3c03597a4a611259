import type { Index } from "../raft/entry.ts";
import type { StateHash } from "./state-hash.ts";
import { type Overloaded, type WaitingCall, WaitingCalls } from "./waiting-calls.ts";

/** How a wait for the hash at a checkpoint ended. */
export type HashOutcome =
  | { readonly type: "hashed"; readonly result: StateHash }
  /** This member has no hash at that index, and will have none: it is no checkpoint, or a restart, a snapshot or a newer one came between. */
  | { readonly type: "skipped" }
  /** This member does not lead, so that it cannot take a checkpoint. */
  | { readonly type: "notLeader" }
  /** Not in time, or the member stops; `index` is `null` when no checkpoint was taken. */
  | { readonly type: "late"; readonly index: Index | null }
  | Overloaded;

interface HashWaiter extends WaitingCall<HashOutcome> {
  readonly index: Index;
}

/** What is known of the hash at an index: it is there, may come, or will not. */
export type HashAt = (index: Index) => StateHash | "expected" | "skipped";

/** Callers that wait for a hash. Each is called exactly once. */
export class HashWaiters {
  readonly #calls: WaitingCalls<HashOutcome, HashWaiter>;

  /** `limit` is how many may wait. */
  constructor(limit: number) {
    this.#calls = new WaitingCalls(limit);
  }

  /** Takes a caller on, or ends the wait as overloaded. */
  add(waiter: HashWaiter): void {
    this.#calls.add(waiter);
  }

  /** Ends a wait as overloaded if no more callers are taken on; tells whether it did. */
  refuses(waiter: Pick<HashWaiter, "done">): boolean {
    return this.#calls.refuses(waiter);
  }

  /** Ends whoever need not wait any more. */
  settle(hashAt: HashAt, nowMs: number): void {
    this.#calls.settle((waiter) => outcomeOf(waiter, hashAt(waiter.index), nowMs));
  }

  /** Ends everybody. */
  clear(): void {
    this.#calls.settle(({ index }) => ({ type: "late", index }));
  }
}

function outcomeOf({ index, deadlineMs }: HashWaiter, found: ReturnType<HashAt>, nowMs: number) {
  if (typeof found !== "string") return { type: "hashed", result: found } as const;
  if (found === "skipped") return { type: "skipped" } as const;
  return nowMs >= deadlineMs ? ({ type: "late", index } as const) : undefined;
}
