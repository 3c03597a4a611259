import { assert } from "../lib/assert.ts";
import { entriesSize, type Index } from "../raft/entry.ts";
import type { Write } from "../raft/ready.ts";
import type { MemberStore, StoreBatch } from "../storage/member-store.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { StateView } from "./state-view.ts";

/** What writing needs. */
export interface StoreWriterDependencies {
  readonly store: MemberStore;
  readonly view: StateView;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  /** Last entry whose effects are in the view: what the rows that wait bring the durable state to. */
  readonly appliedIndex: () => Index;
  /** Called when a write is durable, with the core's part of it, if it had one. */
  readonly written: (write: Write | undefined) => void;
  /** Called when a write failed: its outcome is unknown and the member must stop. */
  readonly fail: (error: unknown) => void;
}

/**
 * Writes one batch at a time: the core's part, and with it the state rows of what was applied since. Rows that find no
 * log write to ride with are written on their own when they have waited long or are many.
 */
export class StoreWriter {
  readonly #deps: StoreWriterDependencies;
  #busy = false;
  /** Resolves when the last write has ended, well or not. */
  #writing: Promise<void> = Promise.resolve();
  /** Applied index that the store has, or will have when the write under way is done. */
  #writtenAppliedIndex: Index;
  #durableAppliedIndex: Index;
  #rowsWaitSinceMs: number | null = null;
  #abandoned = false;
  #failed: { readonly error: unknown } | undefined;

  /** `recoveredIndex` is the applied index that the store has at the start. */
  constructor(deps: StoreWriterDependencies, recoveredIndex: Index) {
    this.#deps = deps;
    this.#writtenAppliedIndex = recoveredIndex;
    this.#durableAppliedIndex = recoveredIndex;
  }

  /** Last entry whose effects are durable in the state. */
  get durableAppliedIndex(): Index {
    return this.#durableAppliedIndex;
  }

  /** Whether a write is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Writes the core's part with every row that waits. */
  write(write: Write): void {
    const { hardState, truncateFrom, entries } = write;
    this.#deps.metrics.batchEntries(entries.length);
    this.#deps.metrics.writtenBytes(entriesSize(entries));
    const { stateChanges, appliedIndex } = this.#takeRows();
    this.#start({ hardState, truncateFrom, entries, stateChanges, appliedIndex }, write);
  }

  /** Writes the rows alone if they are many or have waited long, or `now`. */
  flushRows(when: "due" | "now" = "due"): void {
    const { runtime, options, view, appliedIndex } = this.#deps;
    if (this.#busy || appliedIndex() === this.#writtenAppliedIndex) return;
    this.#rowsWaitSinceMs ??= runtime.now();
    const waitedLong = runtime.now() - this.#rowsWaitSinceMs >= options.waitingRowsMs;
    if (when === "due" && !waitedLong && view.waitingBytes < options.waitingRowBytesMax) return;
    this.#start({ entries: [], ...this.#takeRows() }, undefined);
  }

  /**
   * Writes the rows that wait, behind the write under way: a member that ends in order applies nothing again when it starts.
   * Leaves them while something else writes to the store, and after {@link StoreWriter.abandon}. Rejects when a write failed that
   * the loop did not live to see: nobody else would tell.
   */
  async finish(): Promise<void> {
    await this.#writing;
    if (!this.#abandoned) this.flushRows("now");
    await this.#writing;
    if (this.#failed !== undefined && !this.#abandoned) throw this.#failed.error;
  }

  /** The rows that wait must not be written any more, since they may be of an entry that was applied by half. */
  abandon(): void {
    this.#abandoned = true;
  }

  /** Runs something else that writes to the store, when no write is under way. */
  async exclusively(task: () => Promise<void>): Promise<void> {
    assert(!this.#busy, "one write at a time");
    this.#busy = true;
    try {
      await task();
    } finally {
      this.#busy = false;
    }
  }

  /** A snapshot that stands at `index` is the state from now on. */
  installed(index: Index): void {
    this.#rowsWaitSinceMs = null;
    this.#writtenAppliedIndex = index;
    this.#durableAppliedIndex = index;
  }

  #takeRows(): Pick<StoreBatch, "stateChanges" | "appliedIndex"> {
    this.#rowsWaitSinceMs = null;
    const appliedIndex = this.#deps.appliedIndex();
    const stateChanges = this.#deps.view.takeWaiting();
    if (appliedIndex === this.#writtenAppliedIndex) return { stateChanges };
    this.#writtenAppliedIndex = appliedIndex;
    return { stateChanges, appliedIndex };
  }

  #start(batch: StoreBatch, write: Write | undefined): void {
    const { store, runtime, metrics, view, written, fail } = this.#deps;
    assert(!this.#busy, "one write at a time");
    this.#busy = true;
    const startedMs = runtime.now();
    const ended = store.write(batch).then(() => {
      metrics.writeDuration((runtime.now() - startedMs) / 1000);
      this.#busy = false;
      this.#durableAppliedIndex = batch.appliedIndex ?? this.#durableAppliedIndex;
      view.written();
      written(write);
    });
    this.#writing = ended.catch((error: unknown) => {
      this.#failed = { error };
      fail(error);
    });
  }
}
