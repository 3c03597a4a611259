import { RaftKvError } from "../lib/errors.ts";
import type { MemberStore } from "../storage/member-store.ts";

/** What a {@link DiskWatch} looks at, and how long it waits. */
export interface DiskWatchOptions {
  readonly store: Pick<MemberStore, "oldestWrite">;
  /** More time than this between two looks does not count: a process that stood still has yet to see which writes have ended. Milliseconds. */
  readonly standstillMs: number;
  /** A write that takes this long is taken for one that never ends, milliseconds. */
  readonly writeStallMsMax: number;
}

/** Tells how long the disk has been at one write, from what is seen of it at each tick. */
export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #seen: number | undefined;
  #ageMs = 0;
  #lastMs: number | null = null;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** How long the oldest write under way has taken, as far as it was watched, milliseconds; 0 when there is none. */
  get ageMs(): number {
    return this.#options.store.oldestWrite === this.#seen ? this.#ageMs : 0;
  }

  /** Looks again. Throws `WRITE_STALLED` when a write has taken too long. */
  tick(nowMs: number): void {
    const { store, standstillMs, writeStallMsMax } = this.#options;
    const { oldestWrite } = store;
    const passedMs = nowMs - (this.#lastMs ?? nowMs);
    const ranMs = passedMs > standstillMs ? 0 : passedMs;
    this.#ageMs = oldestWrite !== undefined && oldestWrite === this.#seen ? this.#ageMs + ranMs : 0;
    this.#seen = oldestWrite;
    this.#lastMs = nowMs;
    if (this.#ageMs < writeStallMsMax) return;
    const message = `a write to the data directory has been under way for ${Math.round(this.#ageMs)} ms; the limit is ${writeStallMsMax} ms`;
    throw new RaftKvError("WRITE_STALLED", message);
  }
}
