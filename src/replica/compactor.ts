import { assert } from "../lib/assert.ts";
import type { Index } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { MemberStore } from "../storage/member-store.ts";
import { type CompactionReason, compactionTarget, type LogFacts, planCompaction } from "./compaction-policy.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { StoreWriter } from "./store-writer.ts";
import { type Overloaded, type WaitingCall, WaitingCalls } from "./waiting-calls.ts";

/** What compacting needs. */
export interface CompactorDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly writer: StoreWriter;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  /** What must be kept for followers that are fetching a snapshot. */
  readonly snapshots: { readonly pinnedIndex: Index | null };
  /** Whether log and state are being replaced by a snapshot. */
  readonly isInstalling: () => boolean;
  readonly wake: () => void;
  /** Called when a compaction fails: the member must stop. */
  readonly fail: (error: unknown) => void;
}

/** How a request to compact ended. */
export type CompactionOutcome =
  | { readonly type: "compacted"; readonly firstIndex: Index; readonly lastIndex: Index; readonly logSizeBytes: number }
  /** What is applied was not durable in time, a snapshot was being installed, or the member stops. */
  | { readonly type: "refused" }
  | Overloaded;

interface CompactionRequest extends WaitingCall<CompactionOutcome> {
  /** What was applied when the request came. */
  readonly appliedIndex: Index;
  readonly trailingEntries: number;
}

const refused = { type: "refused" } as const;

/** Keeps the log within its limits, by forgetting entries whose effects are durable in the state; one compaction at a time. */
export class Compactor {
  readonly #deps: CompactorDependencies;
  readonly #requests: WaitingCalls<CompactionOutcome, CompactionRequest>;
  #running = false;
  #lastMs: number;

  constructor(deps: CompactorDependencies) {
    this.#deps = deps;
    this.#requests = new WaitingCalls(deps.options.pendingAdministrationMax);
    this.#lastMs = deps.runtime.now();
  }

  /** Compacts as soon as what is applied now is durable; `done` is called exactly once, at once when too many wait. */
  request(
    options: { readonly appliedIndex: Index; readonly trailingEntries: number | null; readonly deadlineMs: number },
    done: (outcome: CompactionOutcome) => void,
  ): void {
    const { trailingEntries } = this.#deps.options.compaction;
    this.#requests.add({ ...options, trailingEntries: options.trailingEntries ?? trailingEntries, done });
  }

  /** Compacts if that is due. To be called every tick. */
  tick(nowMs: number): void {
    this.#requests.settle(({ deadlineMs }) => (deadlineMs <= nowMs ? refused : undefined));
    if (this.#running || this.#deps.isInstalling()) return;
    const { first } = this.#requests;
    if (first !== undefined) this.#serve(first);
    else this.#compactIfDue(nowMs);
  }

  /** Ends every request. */
  clear(): void {
    this.#requests.settle(() => refused);
  }

  #serve(request: CompactionRequest): void {
    const { writer, options } = this.#deps;
    if (this.#appliedIndex < request.appliedIndex) {
      writer.flushRows("now");
      return;
    }
    const { trailingEntries, done } = this.#requests.take(request);
    const target = compactionTarget(this.#facts(0), trailingEntries, options.compaction);
    this.#compact(target, "request", done);
  }

  #compactIfDue(nowMs: number): void {
    const { compaction } = this.#deps.options;
    const plan = planCompaction(this.#facts(nowMs - this.#lastMs), compaction);
    if (plan !== null) this.#compact(plan.to, plan.reason, () => {});
  }

  #compact(target: Index, reason: CompactionReason, done: (outcome: CompactionOutcome) => void): void {
    const { node, store, metrics, runtime, wake, fail } = this.#deps;
    const { firstIndex } = node;
    if (target < firstIndex) {
      done(this.#outcome());
      return;
    }
    assert(
      target <= this.#appliedIndex,
      () => `compaction to ${target}, but only ${this.#appliedIndex} is durably applied`,
    );
    // The core first: what it does not count on any more may go from the disk.
    const base = node.compact(target);
    if (base.index < firstIndex) {
      done(this.#outcome());
      return;
    }
    this.#running = true;
    this.#lastMs = runtime.now();
    const compacted = () => {
      this.#running = false;
      done(this.#outcome());
      metrics.compaction(reason, base.index - firstIndex + 1, (runtime.now() - this.#lastMs) / 1000);
      wake();
    };
    const failed = (error: unknown) => {
      done(refused);
      fail(error);
    };
    // What the caller or the metrics throw stops the member as well, as in a turn.
    store.compact(base).then(compacted, failed).catch(fail);
  }

  #facts(ageMs: number): LogFacts {
    const { node, store, snapshots } = this.#deps;
    const { firstIndex, lastIndex } = node;
    const { pinnedIndex } = snapshots;
    return {
      firstIndex,
      lastIndex,
      appliedIndex: this.#appliedIndex,
      sizeBytes: store.logSizeBytes,
      pinnedIndex,
      ageMs,
    };
  }

  /** The store may be ahead of the core by part of a batch that is being applied. */
  get #appliedIndex(): Index {
    return Math.min(this.#deps.writer.durableAppliedIndex, this.#deps.node.appliedIndex);
  }

  #outcome(): CompactionOutcome {
    const { node, store } = this.#deps;
    const { firstIndex, lastIndex } = node;
    return { type: "compacted", firstIndex, lastIndex, logSizeBytes: store.logSizeBytes };
  }
}
