import { assert } from "../lib/assert.ts";
import type { Entry, Index } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { AppendedProposals } from "./proposal.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { StateMachine } from "./state-machine.ts";
import type { StateView } from "./state-view.ts";

/** What applying needs. */
export interface ApplierDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly stateMachine: StateMachine;
  readonly view: StateView;
  readonly proposals: AppendedProposals;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  /** Called when entries that had to be read have arrived. */
  readonly wake: () => void;
  /** Called when they cannot be read: the member must stop. */
  readonly fail: (error: unknown) => void;
}

/** Applies committed entries in order, a slice a turn, from memory or, after a start, from the store. */
export class Applier {
  readonly #deps: ApplierDependencies;
  /** What the core asked to be applied; `null` when everything is. */
  #asked: { readonly last: Index } | null = null;
  #appliedIndex: Index;
  #fetched: readonly Entry[] = [];
  #fetching = false;
  #heldAt: Index | null = null;

  constructor(deps: ApplierDependencies, appliedIndex: Index) {
    this.#deps = deps;
    this.#appliedIndex = appliedIndex;
  }

  /** Last entry whose effects are in the view. */
  get appliedIndex(): Index {
    return this.#appliedIndex;
  }

  /** Checkpoint at which applying pauses until {@link release}; `null` when it does not. */
  get heldAt(): Index | null {
    return this.#heldAt;
  }

  /** Whether entries could be applied in the next turn. */
  get hasWork(): boolean {
    return this.#asked !== null && !this.#fetching && this.#heldAt === null;
  }

  /** Goes on behind a checkpoint. */
  release(): void {
    this.#heldAt = null;
  }

  /** Takes on the entries that the core asks for. */
  ask(range: { readonly first: Index; readonly last: Index }): void {
    assert(this.#asked === null && range.first === this.#appliedIndex + 1, "entries are applied in order");
    this.#asked = { last: range.last };
    const { metrics, proposals, runtime } = this.#deps;
    const receivedMs = proposals.receivedMs(range.first);
    if (receivedMs !== undefined) metrics.commitDuration((runtime.now() - receivedMs) / 1000);
  }

  /** A snapshot that stands at `index` is the state from now on. */
  installed(index: Index): void {
    assert(this.#asked === null && !this.#fetching, "nothing is being applied when the state is replaced");
    this.#appliedIndex = index;
    this.#heldAt = null;
  }

  /** Applies one slice; returns how many entries. */
  applySlice(): number {
    if (this.#asked === null || !this.hasWork) return 0;
    const entries = this.#nextEntries(this.#asked.last);
    if (entries === undefined) return 0;
    const { metrics, runtime, node } = this.#deps;
    const startedMs = runtime.now();
    const count = this.#applyUpTo(entries);
    metrics.applyDuration((runtime.now() - startedMs) / 1000);
    if (this.#appliedIndex === this.#asked.last) {
      this.#asked = null;
      node.applied(this.#appliedIndex);
    }
    return count;
  }

  /** Applies entries until their results are many bytes, or up to a checkpoint; keeps the rest for the next slice. */
  #applyUpTo(entries: readonly Entry[]): number {
    let resultBytes = 0;
    for (const [position, entry] of entries.entries()) {
      resultBytes += this.#apply(entry);
      const pauses = resultBytes > this.#deps.options.applyResultBytesMax || this.#heldAt !== null;
      if (!pauses || position === entries.length - 1) continue;
      this.#fetched = [...entries.slice(position + 1), ...this.#fetched];
      return position + 1;
    }
    return entries.length;
  }

  #nextEntries(last: Index): readonly Entry[] | undefined {
    const { node, options } = this.#deps;
    const first = this.#appliedIndex + 1;
    if (this.#fetched.length > 0) {
      const slice = this.#fetched.slice(0, options.applyEntriesMax);
      this.#fetched = this.#fetched.slice(options.applyEntriesMax);
      return slice;
    }
    const sliceLast = Math.min(last, first + options.applyEntriesMax - 1);
    const entries = node.entries(first, sliceLast, options.readBytesMax);
    if (entries === undefined) this.#fetch(first, last);
    return entries;
  }

  #fetch(first: Index, last: Index): void {
    const { store, options, wake, fail } = this.#deps;
    this.#fetching = true;
    store.readEntries(first, last, options.readBytesMax).then((entries) => {
      this.#fetched = entries;
      this.#fetching = false;
      wake();
    }, fail);
  }

  /** Applies one entry; returns the size of its result. */
  #apply(entry: Entry): number {
    const { node, stateMachine, view, proposals } = this.#deps;
    assert(entry.index === this.#appliedIndex + 1, () => `entry ${entry.index} applied after ${this.#appliedIndex}`);
    let size = 0;
    if (entry.kind === "command") {
      const { index, timeMs } = entry;
      const result = stateMachine.apply(entry.command, { index, timeMs }, view);
      proposals.applied(index, entry.term, result);
      size = result.length;
    } else {
      proposals.overwritten(entry.index);
      if (entry.kind === "noop" && node.isCheckpoint(entry.index)) this.#heldAt = entry.index;
    }
    this.#appliedIndex = entry.index;
    return size;
  }
}
