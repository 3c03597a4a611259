import type { Index } from "../raft/entry.ts";
import type { ReadState } from "../raft/raft-state.ts";
import type { ReadDone, ReadFailure } from "./outcome.ts";

/** What tells that a read without a lease is current, and a read that failed not out of date. */
export const always = (): boolean => true;

/** A linearizable read that waits. */
export interface ReadWaiter {
  readonly deadlineMs: number;
  /** Whether a follower may ask the leader. */
  readonly forward: boolean;
  readonly receivedMs: number;
  /** Called exactly once. */
  readonly done: ReadDone;
}

/** A read whose index is applied. */
export interface ReachedRead {
  readonly waiter: ReadWaiter;
  /** Whether the leader's lease stands for it. */
  readonly leased: boolean;
}

/**
 * Linearizable reads on their way: gathered, then asked about in one batch a turn under a fresh context, then waiting for
 * the state to reach the index that was confirmed.
 */
export class ReadWaiters {
  #gathered: ReadWaiter[] = [];
  /** Not confirmed; they are asked about anew at the next tick, not at once, so that a refusal does not spin. */
  #unconfirmed: ReadWaiter[] = [];
  readonly #asked = new Map<number, ReadWaiter[]>();
  #confirmed: { readonly index: Index; readonly leased: boolean; readonly waiters: ReadWaiter[] }[] = [];
  #nextContext = 1;
  /** No read that waits has an earlier deadline. */
  #earliestDeadlineMs = Number.POSITIVE_INFINITY;
  #size = 0;

  /** Reads that wait, in whatever state. */
  get size(): number {
    return this.#size;
  }

  add(waiter: ReadWaiter): void {
    this.#gathered.push(waiter);
    this.#earliestDeadlineMs = Math.min(this.#earliestDeadlineMs, waiter.deadlineMs);
    this.#size++;
  }

  /** Gathered reads, taken to be asked about, failed or gathered again. */
  takeGathered(): ReadWaiter[] {
    const gathered = this.#gathered;
    this.#gathered = [];
    this.#size -= gathered.length;
    return gathered;
  }

  /** Context under which to ask about `waiters`, all at once. */
  ask(waiters: ReadWaiter[]): number {
    const context = this.#nextContext++;
    this.#asked.set(context, waiters);
    this.#size += waiters.length;
    return context;
  }

  /** The core's answer: those that were confirmed wait for their index, the others for {@link gatherUnconfirmed}. */
  answered({ context, index, leased = false }: ReadState): void {
    const waiters = this.#asked.get(context);
    if (waiters === undefined) return;
    this.#asked.delete(context);
    if (index === null) this.#unconfirmed.push(...waiters);
    else this.#confirmed.push({ index, leased, waiters });
  }

  /** Gathers the reads that were not confirmed. */
  gatherUnconfirmed(): void {
    if (this.#unconfirmed.length === 0) return;
    this.#gathered.push(...this.#unconfirmed);
    this.#unconfirmed = [];
  }

  /** Takes the reads whose index is applied. */
  takeReached(appliedIndex: Index): ReachedRead[] {
    const reached: ReachedRead[] = [];
    for (const { index, leased, waiters } of this.#confirmed) {
      if (index <= appliedIndex) for (const waiter of waiters) reached.push({ waiter, leased });
    }
    if (reached.length === 0) return reached;
    this.#confirmed = this.#confirmed.filter(({ index }) => index > appliedIndex);
    this.#size -= reached.length;
    return reached;
  }

  /** Ends the reads whose deadline has passed; returns how many. */
  expire(nowMs: number): number {
    if (nowMs < this.#earliestDeadlineMs) return 0;
    return this.#endWhere((waiter) => waiter.deadlineMs <= nowMs, "DEADLINE_EXCEEDED");
  }

  /** Ends every read. */
  clear(reason: ReadFailure): void {
    this.#endWhere(() => true, reason);
  }

  #endWhere(ends: (waiter: ReadWaiter) => boolean, reason: ReadFailure): number {
    const ended: ReadWaiter[] = [];
    let earliestDeadlineMs = Number.POSITIVE_INFINITY;
    const keep = (waiters: readonly ReadWaiter[]): ReadWaiter[] => {
      const kept: ReadWaiter[] = [];
      for (const waiter of waiters) {
        if (ends(waiter)) {
          ended.push(waiter);
          continue;
        }
        kept.push(waiter);
        earliestDeadlineMs = Math.min(earliestDeadlineMs, waiter.deadlineMs);
      }
      return kept;
    };
    this.#gathered = keep(this.#gathered);
    this.#unconfirmed = keep(this.#unconfirmed);
    for (const [context, waiters] of this.#asked) this.#asked.set(context, keep(waiters));
    this.#confirmed = this.#confirmed.map((read) => ({ ...read, waiters: keep(read.waiters) }));
    this.#earliestDeadlineMs = earliestDeadlineMs;
    this.#size -= ended.length;
    for (const waiter of ended) waiter.done(reason, always);
    return ended.length;
  }
}
