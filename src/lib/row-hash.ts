import { createHash } from "node:crypto";

/** What rows came to. */
export interface RowDigest {
  /** SHA-256 over all of them, 64 hexadecimal digits. */
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
  add(page: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): number {
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
  digest(): RowDigest {
    return { hash: this.#hash.digest("hex"), rows: this.#rows, bytes: this.#bytes };
  }
}
