import type { RaftNode } from "../raft/raft-node.ts";
import type { ReadState } from "../raft/raft-state.ts";
import type { Applier } from "./applier.ts";
import type { ReadFailure } from "./outcome.ts";
import { always, type ReadWaiter, ReadWaiters } from "./read-waiters.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";

/** What reading needs. */
export interface ReaderDependencies {
  readonly node: RaftNode;
  readonly applier: Applier;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  /** Whether the state of this member is known to be wrong. */
  readonly isDiverged: () => boolean;
}

interface AppliedWaiter {
  readonly reached: () => boolean;
  readonly deadlineMs: number;
  readonly done: (reached: boolean) => void;
}

/** Linearizable reads, waits for a revision, and the one read by which a member learns that it has caught up. */
export class Reader {
  readonly #deps: ReaderDependencies;
  readonly #waiters = new ReadWaiters();
  #appliedWaiters: AppliedWaiter[] = [];
  /** Whether anybody has begun to wait since the last look; what was looked at before changes only with the state. */
  #waitsAnew = false;
  #caughtUp = false;
  /** Reads of this member's own among those that wait: the one by which it catches up, or none. */
  #ownReads = 1;
  #counted = { byRound: 0, byLease: 0 };
  #draining = false;

  constructor(deps: ReaderDependencies) {
    this.#deps = deps;
    // The first read that is confirmed and reached shows that everything committed before it is applied here.
    this.#waiters.add({
      deadlineMs: Number.POSITIVE_INFINITY,
      forward: true,
      receivedMs: deps.runtime.now(),
      done: (outcome) => {
        this.#ownReads = 0;
        this.#caughtUp = outcome === undefined;
      },
    });
  }

  /** Whether this member has, since its start, applied all that was committed when it first reached a leader. */
  get caughtUp(): boolean {
    return this.#caughtUp;
  }

  /** Reads of callers that wait. */
  get size(): number {
    return this.#waiters.size - this.#ownReads + this.#appliedWaiters.length;
  }

  /** Takes no more reads; those under way go on. */
  drain(): void {
    this.#draining = true;
  }

  /** Takes a read on, or ends it in a later turn. */
  add(waiter: ReadWaiter): void {
    const { runtime, options, isDiverged } = this.#deps;
    if (isDiverged()) runtime.soon(() => waiter.done("STATE_DIVERGED", always));
    else if (this.#draining) runtime.soon(() => waiter.done("SHUTTING_DOWN", always));
    else if (this.#waiters.size >= options.pendingReadsMax) runtime.soon(() => waiter.done("OVERLOADED", always));
    else this.#waiters.add(waiter);
  }

  /** Takes a wait on; see {@link Replica.waitApplied}. It ends at once over the limit of reads, and when none are taken any more. */
  waitApplied(reached: () => boolean, deadlineMs: number, done: (reached: boolean) => void): void {
    if (this.#draining || this.#appliedWaiters.length >= this.#deps.options.pendingReadsMax) {
      this.#deps.runtime.soon(() => done(false));
      return;
    }
    this.#appliedWaiters.push({ reached, deadlineMs, done });
    this.#waitsAnew = true;
  }

  /** Asks the core about what has gathered. */
  ask(): void {
    const gathered = this.#waiters.takeGathered();
    if (gathered.length === 0) return;
    const { node, runtime, options } = this.#deps;
    const leads = node.role === "leader";
    const asked: ReadWaiter[] = [];
    for (const waiter of gathered) {
      if (leads || (waiter.forward && node.leaderId !== null)) asked.push(waiter);
      else if (!waiter.forward) this.#end(waiter, "NOT_LEADER");
      else if (
        waiter.deadlineMs !== Number.POSITIVE_INFINITY &&
        runtime.now() - waiter.receivedMs >= options.leaderWaitMs
      )
        this.#end(waiter, "NO_LEADER");
      else this.#waiters.add(waiter);
    }
    if (asked.length > 0) node.readIndex(this.#waiters.ask(asked), runtime.now());
  }

  /** Takes the core's answers, and ends the reads whose index is applied. */
  serve(states: readonly ReadState[], applied: boolean): void {
    for (const state of states) this.#waiters.answered(state);
    if (states.length === 0 && !applied && !this.#waitsAnew) return;
    const { metrics, runtime, applier } = this.#deps;
    const reached = this.#waiters.takeReached(applier.appliedIndex);
    if (reached[0] !== undefined) {
      metrics.readIndex("ok", reached.length);
      metrics.readIndexDuration((runtime.now() - reached[0].waiter.receivedMs) / 1000);
    }
    for (const { waiter, leased } of reached) waiter.done(undefined, leased ? this.#leaseLook() : always);
    this.#serveApplied();
  }

  /** What tells, once a read was served, whether the lease that stood for it held until then; the clock is looked at anew. */
  #leaseLook(): () => boolean {
    const { node, runtime, metrics } = this.#deps;
    const { term } = node;
    return () => {
      const holds = node.term === term && node.holdsLease(runtime.now());
      if (!holds) metrics.leaseLapsed();
      return holds;
    };
  }

  /** Tells the metrics what has confirmed reads of this member and, where it leads, of others. */
  #countConfirmed(): void {
    const { node, metrics } = this.#deps;
    for (const by of ["byRound", "byLease"] as const) {
      const count = node.readCounts[by] - this.#counted[by];
      if (count > 0) metrics.readsConfirmed(by === "byLease" ? "lease" : "round", count);
    }
    this.#counted = { ...node.readCounts };
  }

  #serveApplied(): void {
    this.#waitsAnew = false;
    if (this.#appliedWaiters.length === 0) return;
    const reached = this.#appliedWaiters.filter((waiter) => waiter.reached());
    if (reached.length === 0) return;
    this.#appliedWaiters = this.#appliedWaiters.filter((waiter) => !reached.includes(waiter));
    for (const waiter of reached) waiter.done(true);
  }

  /** Ends what has waited until its deadline, and lets the core be asked anew about reads that were not confirmed. */
  tick(nowMs: number): void {
    const expired = this.#waiters.expire(nowMs);
    if (expired > 0) this.#deps.metrics.readIndex("timeout", expired);
    this.#waiters.gatherUnconfirmed();
    this.#countConfirmed();
    if (this.#appliedWaiters.length === 0) return;
    const late = this.#appliedWaiters.filter((waiter) => waiter.deadlineMs <= nowMs);
    if (late.length === 0) return;
    this.#appliedWaiters = this.#appliedWaiters.filter((waiter) => waiter.deadlineMs > nowMs);
    for (const waiter of late) waiter.done(false);
  }

  /** Ends everything. */
  clear(reason: ReadFailure): void {
    this.#waiters.clear(reason);
    const waiters = this.#appliedWaiters;
    this.#appliedWaiters = [];
    for (const waiter of waiters) waiter.done(false);
  }

  #end(waiter: ReadWaiter, reason: "NOT_LEADER" | "NO_LEADER"): void {
    this.#deps.metrics.readIndex("no_leader");
    waiter.done(reason, always);
  }
}
