import { RowHash } from "../lib/row-hash.ts";
import { entriesSize, type Index } from "../raft/entry.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { StateSnapshot } from "../storage/state-snapshot.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { StateHash } from "./state-hash.ts";
import type { StateMachine } from "./state-machine.ts";

//   begin(snapshot) ──> rows, page by page ──> hashed(index, hash) ──> entries from the log's base to the index ──> rest
//                          '── as many bytes as the rate allows, then the next tick ──'

/** What reading back needs. */
export interface StateScrubberDependencies {
  readonly store: MemberStore;
  readonly stateMachine: StateMachine;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  readonly guarded: (part: () => void) => void;
  /** Called when a row or an entry is damaged: the member must stop. */
  readonly fail: (error: unknown) => void;
  /** Called when all rows of a checkpoint are read. */
  readonly hashed: (result: StateHash) => void;
}

/** One way through state and log. */
interface Run {
  /** Closed once its rows are read; where it stands is known for as long as the run lasts. */
  readonly snapshot: StateSnapshot;
  /** Whether a hash is wanted. */
  readonly isCheckpoint: boolean;
  readonly hash: RowHash;
  readonly beganMs: number;
  /** Last row that was read; `null` before the first. */
  after: Uint8Array | null;
  /** Next entry to be read back; `null` until all rows are. */
  nextIndex: Index | null;
  readBytes: number;
  ended: boolean;
}

/**
 * Reads the durable state and the log back in the background, at a bounded rate: what comes of it is the hash of the state as
 * it is on the disk, and that every checksum on the way was looked at. A checkpoint that comes during a run ends it; the
 * next one goes on in the log where that one was.
 */
export class StateScrubber {
  readonly #deps: StateScrubberDependencies;
  #run: Run | null = null;
  /** Where the log is read on: a run that a checkpoint ended did not come to its end. So frequent checkpoints keep no entry from being read. */
  #logIndex: Index = 0;
  #reading = false;

  constructor(deps: StateScrubberDependencies) {
    this.#deps = deps;
  }

  /** Checkpoint whose rows are being read; `null` when none are. */
  get hashing(): Index | null {
    const run = this.#run;
    return run?.isCheckpoint === true && run.nextIndex === null ? run.snapshot.appliedIndex : null;
  }

  /** Whether anything is being read. */
  get busy(): boolean {
    return this.#run !== null;
  }

  /** Begins with the rows of a checkpoint's snapshot, which is closed afterwards. */
  begin(snapshot: StateSnapshot): void {
    this.#begin(snapshot, true);
  }

  /** The same for the checksums alone; a checkpoint ends it, since that reads the same rows. */
  readBack(snapshot: StateSnapshot): void {
    this.#begin(snapshot, false);
  }

  /** Reads on, as far as the rate allows. */
  tick(): void {
    const run = this.#run;
    if (run === null || this.#reading) return;
    const { nextIndex } = run;
    // What was compacted meanwhile is not there to be read.
    const from = nextIndex === null ? null : Math.max(nextIndex, this.#deps.store.logFirstIndex);
    if (from !== null && from > run.snapshot.appliedIndex) {
      this.#end(run, "whole");
      return;
    }
    const bytesMax = this.#allowance(run);
    if (bytesMax <= 0) return;
    this.#reading = true;
    const reading = from === null ? this.#readRows(run) : this.#readEntries(run, from, bytesMax);
    const { guarded, runtime, fail } = this.#deps;
    reading.then(
      () => {
        this.#reading = false;
        runtime.soon(() => guarded(() => this.tick()));
      },
      (error: unknown) => {
        this.#reading = false;
        // Closed under the reading.
        if (!run.ended) fail(error);
      },
    );
  }

  /** Ends what is being read, without a result. */
  close(): void {
    if (this.#run !== null) this.#end(this.#run);
  }

  #begin(snapshot: StateSnapshot, isCheckpoint: boolean): void {
    this.close();
    const beganMs = this.#deps.runtime.now();
    const nothing = { hash: new RowHash(), after: null, nextIndex: null, readBytes: 0, ended: false };
    this.#run = { snapshot, isCheckpoint, beganMs, ...nothing };
    this.tick();
  }

  #allowance({ beganMs, readBytes }: Run): number {
    const { options, runtime } = this.#deps;
    const { bytesPerSecondMax, pageBytes } = options.integrity;
    if (bytesPerSecondMax === 0) return pageBytes;
    const dueBytes = ((runtime.now() - beganMs) / 1000) * bytesPerSecondMax;
    return Math.min(pageBytes, Math.ceil(dueBytes - readBytes));
  }

  async #readRows(run: Run): Promise<void> {
    const { metrics, options } = this.#deps;
    for await (const page of run.snapshot.rows(run.after, options.integrity.pageBytes)) {
      if (run.ended) return;
      const bytes = run.hash.add(page);
      run.readBytes += bytes;
      run.after = page.at(-1)?.[0] ?? run.after;
      metrics.scrubbed({ rows: page.length, entries: 0, bytes });
      return;
    }
    if (!run.ended) this.#finishRows(run);
  }

  #finishRows(run: Run): void {
    const { store, stateMachine, hashed, fail } = this.#deps;
    const { snapshot } = run;
    const revision = stateMachine.revision?.(snapshot) ?? 0;
    // The log is read without it, for a minute maybe: the engine need not keep what is overwritten meanwhile.
    snapshot.close().catch(fail);
    run.nextIndex = Math.max(store.logFirstIndex, this.#logIndex);
    const stateVersion = stateMachine.version ?? 1;
    if (run.isCheckpoint) hashed({ index: snapshot.appliedIndex, revision, stateVersion, ...run.hash.digest() });
  }

  async #readEntries(run: Run, from: Index, bytesMax: number): Promise<void> {
    const { store, metrics } = this.#deps;
    try {
      const entries = await store.readEntries(from, run.snapshot.appliedIndex, bytesMax);
      const bytes = entriesSize(entries);
      run.readBytes += bytes;
      run.nextIndex = from + entries.length;
      metrics.scrubbed({ rows: 0, entries: entries.length, bytes });
    } catch (error) {
      // The log was compacted meanwhile: nothing is damaged.
      if (from >= store.logFirstIndex) throw error;
    }
  }

  #end(run: Run, how: "whole" | "dropped" = "dropped"): void {
    const { metrics, runtime, fail } = this.#deps;
    if (run.ended) return;
    run.ended = true;
    if (this.#run === run) this.#run = null;
    this.#logIndex = how === "whole" ? 0 : (run.nextIndex ?? this.#logIndex);
    if (how === "whole") metrics.scrubEnded((runtime.now() - run.beganMs) / 1000);
    run.snapshot.close().catch(fail);
  }
}
