import { createHash } from "node:crypto";
import type { Index } from "../raft/entry.ts";
import type { Row } from "../storage/storage-engine.ts";

/** What the state of this member came to at a checkpoint. */
export interface StateHash {
  /** Of the checkpoint: the state has the effects of every entry up to it, and of no other. */
  readonly index: Index;
  /** Revision of the state; 0 where the state machine knows of none. */
  readonly revision: number;
  /** SHA-256 over all rows in the order of their keys, 64 hexadecimal digits. */
  readonly hash: string;
  readonly rows: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
}

const lengthBytes = 4;

/**
 * Hash of rows that are given in the order of their keys, page by page. Each key and each value goes in behind its length,
 * so that neighbours cannot trade bytes unnoticed; how the rows are cut into pages makes no difference.
 */
export class RowHash {
  readonly #hash = createHash("sha256");
  #rows = 0;
  #bytes = 0;

  /** Takes rows in; returns the bytes of their keys and values. */
  add(page: readonly Row[]): number {
    let bytes = 0;
    for (const [key, value] of page) bytes += key.length + value.length;
    const buffer = Buffer.allocUnsafe(bytes + 2 * lengthBytes * page.length);
    let at = 0;
    for (const row of page) {
      for (const part of row) {
        at = buffer.writeUInt32BE(part.length, at);
        buffer.set(part, at);
        at += part.length;
      }
    }
    this.#hash.update(buffer);
    this.#rows += page.length;
    this.#bytes += bytes;
    return bytes;
  }

  /** What all rows came to; nothing may be added afterwards. */
  digest(): Pick<StateHash, "hash" | "rows" | "bytes"> {
    return { hash: this.#hash.digest("hex"), rows: this.#rows, bytes: this.#bytes };
  }
}
