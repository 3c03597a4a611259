import type { LogTail } from "./log-record.ts";
import type { Watermark, WatermarkFile } from "./watermark.ts";

/** Runs `callback` once after a delay, and gives what calls it off. */
export type StartTimer = (callback: () => void, delayMs: number) => () => void;

/** The timer of the process; does not keep it alive. */
export const startProcessTimer: StartTimer = (callback, delayMs) => {
  const timer = setTimeout(callback, delayMs);
  timer.unref();
  return () => clearTimeout(timer);
};

/** How a {@link WatermarkKeeper} works. */
export interface WatermarkKeeperOptions {
  /** The watermark trails the store by at most about this, milliseconds. */
  readonly intervalMs: number;
  readonly startTimer: StartTimer;
  /** Learns that the file could not be written off the critical path. */
  readonly onFailure: (error: unknown) => void;
}

/** Keeps the watermark file close behind the store without holding the store up. */
export class WatermarkKeeper {
  readonly #file: WatermarkFile;
  readonly #options: WatermarkKeeperOptions;
  /** What the file holds, or will when `#writing` is done. */
  #written: Watermark;
  /** What the store has come to. Invariant: true of the disk at all times. */
  #reached: Watermark;
  #writing: Promise<void> = Promise.resolve();
  #stopTimer: (() => void) | undefined;

  constructor(file: WatermarkFile, found: Watermark, options: WatermarkKeeperOptions) {
    this.#file = file;
    this.#written = found;
    this.#reached = found;
    this.#options = options;
  }

  /** The store has become durable to here; the file follows within the interval. */
  advance(watermark: Watermark): void {
    this.#reached = watermark;
    this.#stopTimer ??= this.#options.startTimer(() => {
      this.#stopTimer = undefined;
      this.flush().catch(this.#options.onFailure);
    }, this.#options.intervalMs);
  }

  /**
   * The log is about to be cut back to `tail`: resolves when the file promises no more than that. Does nothing on the disk
   * when it did not.
   */
  async lowerTo(tail: LogTail): Promise<void> {
    this.#reached = { ...this.#reached, tail };
    // A write that began before may still be bringing the file up.
    await this.#writing;
    if (this.#written.tail.index > tail.index) await this.flush();
  }

  /** Writes what the store has come to, unless the file holds it already. */
  flush(): Promise<void> {
    const next = this.#writing.then(async () => {
      if (this.#written === this.#reached) return;
      const watermark = this.#reached;
      await this.#file.write(watermark);
      this.#written = watermark;
    });
    this.#writing = next;
    return next;
  }

  /** Flushes unless `failed`, then closes the file. A failed store knows nothing of its disk that could be written. */
  async close(failed: boolean): Promise<void> {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    try {
      await (failed ? this.#writing.catch(() => {}) : this.flush());
    } finally {
      await this.#file.close();
    }
  }
}
