import type { ClearOptions, KeyRange, StorageEngine } from "./storage-engine.ts";

interface Garbage {
  readonly range: KeyRange;
  readonly options: ClearOptions;
}

/**
 * Removes ranges of rows that nothing refers to any more, in the background, one range after another in the small steps of
 * {@link StorageEngine.clear}. What a crash leaves behind is found by the next open.
 */
export class RowSweeper {
  readonly #engine: StorageEngine;
  readonly #onFailure: (error: unknown) => void;
  /** Invariant: none ends where the next begins, so that compactions that come faster than removals make no queue. */
  readonly #waiting: Garbage[] = [];
  #running: Promise<void> | undefined;
  #stopped = false;

  /** `onFailure` learns what a removal failed with; nothing more is removed then. */
  constructor(engine: StorageEngine, onFailure: (error: unknown) => void) {
    this.#engine = engine;
    this.#onFailure = onFailure;
  }

  /** Rows of `range` are garbage from now on: nobody reads them, and nobody writes there again before they are gone. */
  sweep(range: KeyRange, options: ClearOptions = {}): void {
    if (this.#stopped) return;
    const at = this.#waiting.findIndex((each) => Buffer.compare(each.range.end, range.start) === 0);
    const before = this.#waiting[at];
    if (before === undefined) this.#waiting.push({ range, options });
    else this.#waiting[at] = { range: { start: before.range.start, end: range.end }, options };
    this.#running ??= this.#run();
  }

  /** Nothing that waits is garbage any more: the rows are others now. A removal under way goes on where it began. */
  forget(): void {
    this.#waiting.length = 0;
  }

  /** Begins nothing new. A removal under way ends with the engine, which has to be closed next. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves when nothing is being removed and nothing waits, or after {@link stop} when the removal under way has ended. */
  async settled(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      for (let next = this.#waiting.shift(); next !== undefined && !this.#stopped; next = this.#waiting.shift()) {
        await this.#engine.clear(next.range, next.options);
      }
    } catch (error) {
      // After a stop that is the engine saying that it is closed; what is left is removed after the next open.
      if (!this.#stopped) this.#onFailure(error);
      this.#stopped = true;
    } finally {
      this.#running = undefined;
    }
  }
}
