import { hashBytes } from "./hash-bytes.ts";

/** What a row counts for in a {@link StateHash}; 0 for no row. */
export function rowHash(key: Uint8Array, content: Uint8Array | undefined): number {
  return content === undefined ? 0 : hashBytes(content, hashBytes(key, 1));
}

/** A hash of a set of rows that follows each change of a row, in any order. */
export class StateHash {
  #sum = 0;

  /** Equal for equal rows. */
  get value(): number {
    return this.#sum;
  }

  /** A row changes; see {@link rowHash}. */
  change(before: number, after: number): void {
    this.#sum = (this.#sum - before + after) >>> 0;
  }
}
