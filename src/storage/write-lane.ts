import { assert } from "../lib/assert.ts";
import type { UseGuard } from "./use-guard.ts";

/** Runs writes one after another that build on what the one before left. A failed one is the last: the guard is told. */
export class WriteLane {
  readonly #guard: UseGuard;
  /** Whether a turn is being written, or waits for its turn. */
  #inTurn = false;
  /** The write under way; never rejects. */
  #writing: Promise<void> | undefined;

  constructor(guard: UseGuard) {
    this.#guard = guard;
  }

  /** Runs `write` when nothing else is being written. Rejects with `WRITE_FAILED` when it fails or an earlier one did. */
  async run(write: () => Promise<void>): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#guard.check();
    const writing = write();
    this.#writing = writing.catch(() => {});
    try {
      await writing;
    } catch (error) {
      throw this.#guard.fail(error);
    } finally {
      this.#writing = undefined;
    }
  }

  /** Asserts that no turn is being written or waits. */
  checkTurn(): void {
    assert(!this.#inTurn, "a write began while another was under way");
  }

  /** The same as {@link run} for what the replica's loop writes, of which there must never be two at a time. */
  async turn(write: () => Promise<void>): Promise<void> {
    this.checkTurn();
    this.#inTurn = true;
    try {
      await this.run(write);
    } finally {
      this.#inTurn = false;
    }
  }

  /** Resolves when the write under way has ended, however it did. */
  async settled(): Promise<void> {
    await this.#writing;
  }
}
