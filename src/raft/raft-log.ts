import { invariant } from "./assert.ts";
import { type Entry, entrySize, type Index, type LogPosition, type Term } from "./entry.ts";

/** Entries of one term that follow one another. */
export interface TermRun {
  readonly firstIndex: Index;
  readonly term: Term;
}

/** What the log is made from at a start: everything in it is durable. */
export interface RecoveredLog {
  /** Position before the first entry. */
  readonly base: LogPosition;
  readonly lastIndex: Index;
  readonly termRuns: readonly TermRun[];
}

/** What is to be written next. */
export interface LogWrite {
  /** Remove from here on before the entries are added; `undefined` when nothing is to be removed. */
  readonly truncateFrom: Index | undefined;
  readonly entries: readonly Entry[];
}

/**
 * The log as the core sees it: the term of every entry, and the entries themselves only from `tailFirstIndex` on; older
 * ones are in the store. It also knows how far the store is.
 *
 * Invariants: base.index <= durableIndex <= submittedIndex <= lastIndex; tailFirstIndex <= submittedIndex + 1, so that
 * what is not yet written is in memory.
 */
export class RaftLog {
  #base: LogPosition;
  #termRuns: TermRun[];
  #lastIndex: Index;
  #tail: Entry[] = [];
  #tailFirstIndex: Index;
  #tailBytes = 0;
  #durableIndex: Index;
  #submittedIndex: Index;
  /** Last index of the write under way that is still what was written; `null` when none is under way. */
  #writingTo: Index | null = null;
  #truncateFrom: Index | null = null;

  constructor(recovered: RecoveredLog) {
    this.#base = recovered.base;
    this.#termRuns = [...recovered.termRuns];
    this.#lastIndex = recovered.lastIndex;
    this.#tailFirstIndex = recovered.lastIndex + 1;
    this.#durableIndex = recovered.lastIndex;
    this.#submittedIndex = recovered.lastIndex;
  }

  /** Position before the first entry: what was compacted ends there. */
  get base(): LogPosition {
    return this.#base;
  }

  get firstIndex(): Index {
    return this.#base.index + 1;
  }

  get lastIndex(): Index {
    return this.#lastIndex;
  }

  get lastTerm(): Term {
    return this.#termRuns.at(-1)?.term ?? this.#base.term;
  }

  /** Last index that is known to be durable here. */
  get durableIndex(): Index {
    return this.#durableIndex;
  }

  /** First index whose entry is in memory. */
  get tailFirstIndex(): Index {
    return this.#tailFirstIndex;
  }

  /** Whether entries or a truncation wait to be written. */
  get dirty(): boolean {
    return this.#truncateFrom !== null || this.#submittedIndex < this.#lastIndex;
  }

  /** Term of the entry at `index`; `undefined` outside the log. */
  termAt(index: Index): Term | undefined {
    if (index === this.#base.index) return this.#base.term;
    if (index < this.#base.index || index > this.#lastIndex) return undefined;
    let low = 0;
    let high = this.#termRuns.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#run(middle).firstIndex <= index) low = middle;
      else high = middle - 1;
    }
    return this.#run(low).term;
  }

  /** Whether the log has this very entry. */
  has(position: LogPosition): boolean {
    return this.termAt(position.index) === position.term;
  }

  /** Whether a log that ends at `position` is at least as up to date as this one (Raft paper, section 5.4.1). */
  isUpToDate(position: LogPosition): boolean {
    return position.term > this.lastTerm || (position.term === this.lastTerm && position.index >= this.#lastIndex);
  }

  /**
   * Highest index up to `index` whose term is at most `term`: where two logs may still match, given that the other one
   * has `term` at `index`. Skips a whole term at a time; before the base where it cannot even be that.
   */
  lastIndexOfTermUpTo(index: Index, term: Term): Index {
    let candidate = Math.min(index, this.#lastIndex);
    for (let i = this.#termRuns.length - 1; i >= 0; i--) {
      const run = this.#run(i);
      if (run.firstIndex > candidate) continue;
      if (run.term <= term) return candidate;
      candidate = run.firstIndex - 1;
    }
    return candidate === this.#base.index && this.#base.term > term ? candidate - 1 : candidate;
  }

  /** Adds entries right after the last one. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      invariant(entry.index === this.#lastIndex + 1, () => `entry ${entry.index} follows ${this.#lastIndex}`);
      invariant(entry.term >= this.lastTerm, () => `term ${entry.term} follows term ${this.lastTerm}`);
      if (entry.term !== this.lastTerm || this.#termRuns.length === 0) {
        this.#termRuns.push({ firstIndex: entry.index, term: entry.term });
      }
      this.#tail.push(entry);
      this.#tailBytes += entrySize(entry);
      this.#lastIndex = entry.index;
    }
  }

  /** Removes every entry from `index` on. A write of them that is under way no longer counts. */
  truncateFrom(index: Index): void {
    invariant(index > this.#base.index, () => `truncation at ${index} reaches into the base ${this.#base.index}`);
    if (index > this.#lastIndex) return;
    if (index <= this.#submittedIndex) {
      this.#truncateFrom = Math.min(this.#truncateFrom ?? index, index);
      this.#submittedIndex = index - 1;
      this.#durableIndex = Math.min(this.#durableIndex, index - 1);
      if (this.#writingTo !== null) this.#writingTo = Math.min(this.#writingTo, index - 1);
    }
    if (index <= this.#tailFirstIndex) {
      this.#tail = [];
      this.#tailFirstIndex = index;
      this.#tailBytes = 0;
    } else {
      for (const removed of this.#tail.splice(index - this.#tailFirstIndex)) this.#tailBytes -= entrySize(removed);
    }
    while (this.#termRuns.length > 0 && this.#run(this.#termRuns.length - 1).firstIndex >= index) this.#termRuns.pop();
    this.#lastIndex = index - 1;
  }

  /** Entries from `from` to at most `to`, at least one, then as many as `bytesMax` allows; `undefined` when not in memory. */
  slice(from: Index, to: Index, bytesMax: number): Entry[] | undefined {
    invariant(
      from <= to && to <= this.#lastIndex,
      () => `slice ${from}..${to} lies in the log, which ends at ${this.#lastIndex}`,
    );
    if (from < this.#tailFirstIndex) return undefined;
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = from; index <= to; index++) {
      const entry = this.#entry(index);
      bytes += entrySize(entry);
      if (entries.length > 0 && bytes > bytesMax) break;
      entries.push(entry);
    }
    return entries;
  }

  /** Sum of {@link entrySize} from `from` to `to`, which must be in memory. */
  bytesOf(from: Index, to: Index): number {
    let bytes = 0;
    for (let index = from; index <= to; index++) bytes += entrySize(this.#entry(index));
    return bytes;
  }

  /** Takes what is to be written next. One write at a time: {@link written} must come first. */
  takeWrite(): LogWrite {
    invariant(this.#writingTo === null, "one write at a time");
    const entries =
      this.#submittedIndex < this.#lastIndex ? this.#tail.slice(this.#submittedIndex + 1 - this.#tailFirstIndex) : [];
    const write = { truncateFrom: this.#truncateFrom ?? undefined, entries };
    this.#truncateFrom = null;
    this.#submittedIndex = this.#lastIndex;
    this.#writingTo = this.#lastIndex;
    return write;
  }

  /** The write under way is durable; what was truncated meanwhile is not counted, though it was written. */
  written(): void {
    invariant(this.#writingTo !== null, "a write is under way");
    this.#durableIndex = Math.max(this.#durableIndex, this.#writingTo);
    this.#writingTo = null;
  }

  /**
   * Lets go of durable entries up to `index`, oldest first, until `bytesMax` are in memory. Waits until a quarter more
   * than that has gathered, so that the cost of moving the rest is shared by many entries.
   */
  releaseTail(index: Index, bytesMax: number): void {
    if (this.#tailBytes <= bytesMax * 1.25) return;
    const limit = Math.min(index, this.#durableIndex);
    let count = 0;
    while (this.#tailBytes > bytesMax && this.#tailFirstIndex + count <= limit) {
      this.#tailBytes -= entrySize(this.#entry(this.#tailFirstIndex + count));
      count++;
    }
    if (count > 0) this.#tail.splice(0, count);
    this.#tailFirstIndex += count;
  }

  /** Forgets the entries up to `index`, all of them durable. */
  compactTo(index: Index): void {
    const term = this.termAt(index);
    invariant(
      term !== undefined && index <= this.#durableIndex,
      () => `compaction to ${index}, which is not durable here`,
    );
    const last = this.#termRuns.findLastIndex((run) => run.firstIndex <= index + 1);
    const kept = this.#termRuns.slice(Math.max(last, 0));
    const first = kept[0];
    if (first !== undefined && first.firstIndex <= index) kept[0] = { firstIndex: index + 1, term: first.term };
    this.#termRuns = index === this.#lastIndex ? [] : kept;
    for (const removed of this.#tail.splice(0, Math.max(0, index + 1 - this.#tailFirstIndex))) {
      this.#tailBytes -= entrySize(removed);
    }
    this.#tailFirstIndex = Math.max(this.#tailFirstIndex, index + 1);
    this.#base = { index, term };
  }

  /** Empties the log, which goes on after `base` from now on. Nothing may be under way or wait to be written. */
  resetTo(base: LogPosition): void {
    invariant(this.#writingTo === null && !this.dirty, "nothing is being written");
    this.#base = { index: base.index, term: base.term };
    this.#termRuns = [];
    this.#tail = [];
    this.#tailBytes = 0;
    this.#tailFirstIndex = base.index + 1;
    this.#lastIndex = base.index;
    this.#durableIndex = base.index;
    this.#submittedIndex = base.index;
  }

  /** What is known of the log, as plain values. */
  toJSON(): object {
    return {
      base: this.base,
      termRuns: this.#termRuns,
      lastIndex: this.#lastIndex,
      tail: this.#tail,
      tailFirstIndex: this.#tailFirstIndex,
      durableIndex: this.#durableIndex,
      submittedIndex: this.#submittedIndex,
      writingTo: this.#writingTo,
      truncateFrom: this.#truncateFrom,
    };
  }

  #entry(index: Index): Entry {
    const entry = this.#tail[index - this.#tailFirstIndex];
    invariant(entry !== undefined && entry.index === index, () => `entry ${index} is in memory`);
    return entry;
  }

  #run(position: number): TermRun {
    const run = this.#termRuns[position];
    invariant(run !== undefined, () => `term run ${position} exists`);
    return run;
  }
}
