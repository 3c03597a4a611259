import { wrapRow } from "../../src/storage/checksummed-row.ts";
import { firstGeneration, stateKey } from "../../src/storage/row-keys.ts";
import { hashBytes } from "./hash-bytes.ts";

/** What a row counts for in a {@link StateHash}; 0 for no row. */
export function rowHash(key: Uint8Array, content: Uint8Array | undefined): number {
  return content === undefined ? 0 : hashBytes(content, hashBytes(key, 1));
}

const keyFrom = stateKey(firstGeneration, new Uint8Array(0)).length;
const contentFrom = wrapRow(new Uint8Array(0), new Uint8Array(0)).length;

/** The same of a row as a disk holds it, whatever its generation. No view of its parts is made: this runs at every change of a row. */
export function storedRowHash(key: Uint8Array, value: Uint8Array | undefined): number {
  return value === undefined ? 0 : hashBytes(value, hashBytes(key, 1, keyFrom), contentFrom);
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
