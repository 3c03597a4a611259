import type { Index } from "../raft/entry.ts";
import type { StateHash } from "./state-hash.ts";

/** How a wait for the hash at a checkpoint ended. */
export type HashOutcome =
  | { readonly type: "hashed"; readonly result: StateHash }
  /** This member has no hash at that index, and will have none: it is no checkpoint, or a restart, a snapshot or a newer one came between. */
  | { readonly type: "skipped" }
  /** This member does not lead, so that it cannot take a checkpoint. */
  | { readonly type: "notLeader" }
  /** Not in time, or the member stops; `index` is `null` when no checkpoint was taken. */
  | { readonly type: "late"; readonly index: Index | null };

interface HashWaiter {
  readonly index: Index;
  readonly deadlineMs: number;
  readonly done: (outcome: HashOutcome) => void;
}

/** What is known of the hash at an index: it is there, may come, or will not. */
export type HashAt = (index: Index) => StateHash | "expected" | "skipped";

/** Callers that wait for a hash. Each is called exactly once. */
export class HashWaiters {
  #waiters: HashWaiter[] = [];

  add(waiter: HashWaiter): void {
    this.#waiters.push(waiter);
  }

  /** Ends whoever need not wait any more. */
  settle(hashAt: HashAt, nowMs: number): void {
    if (this.#waiters.length > 0) this.#waiters = this.#waiters.filter((waiter) => !settle(waiter, hashAt, nowMs));
  }

  /** Ends everybody. */
  clear(): void {
    for (const { index, done } of this.#waiters.splice(0)) done({ type: "late", index });
  }
}

function settle({ index, deadlineMs, done }: HashWaiter, hashAt: HashAt, nowMs: number): boolean {
  const found = hashAt(index);
  if (typeof found !== "string") done({ type: "hashed", result: found });
  else if (found === "skipped") done({ type: "skipped" });
  else if (nowMs >= deadlineMs) done({ type: "late", index });
  else return false;
  return true;
}
