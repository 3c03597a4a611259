import type { Index } from "./entry.ts";

/** Limits of what may be under way to one follower. */
export interface InflightLimits {
  readonly messages: number;
  readonly bytes: number;
}

/** AppendEntries messages sent and not yet answered, oldest first: a window in messages and in bytes. */
export class Inflights {
  readonly #limits: InflightLimits;
  #queue: { readonly lastIndex: Index; readonly bytes: number }[] = [];
  #head = 0;
  #bytes = 0;

  constructor(limits: InflightLimits) {
    this.#limits = limits;
  }

  /** Messages under way. */
  get count(): number {
    return this.#queue.length - this.#head;
  }

  /** Bytes under way; 0 exactly when no message is. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether nothing more may be sent. One message may exceed the byte limit, so that a large entry gets through. */
  get full(): boolean {
    return this.count >= this.#limits.messages || this.#bytes >= this.#limits.bytes;
  }

  /** Notes a message that ends at `lastIndex`. */
  add(lastIndex: Index, bytes: number): void {
    this.#queue.push({ lastIndex, bytes });
    this.#bytes += bytes;
  }

  /** Frees every message that ends at or before `index`. */
  freeTo(index: Index): void {
    for (let first = this.#queue[this.#head]; first !== undefined && first.lastIndex <= index; ) {
      this.#bytes -= first.bytes;
      this.#head++;
      first = this.#queue[this.#head];
    }
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Forgets everything. */
  reset(): void {
    this.#queue = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  /** The messages under way, oldest first. */
  toJSON(): readonly object[] {
    return this.#queue.slice(this.#head);
  }
}
