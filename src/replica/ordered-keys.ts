/** Keys that one chunk may hold before it is split. */
const chunkKeysMax = 512;

/** A set of strings in order of their code units, in chunks so that a change in the middle moves few keys. */
export class OrderedKeys {
  #chunks: string[][] = [];

  /** Adds a key; does nothing when it is there. */
  add(key: string): void {
    const chunk = this.#chunkFor(key);
    if (chunk === undefined) {
      this.#chunks.push([key]);
      return;
    }
    const position = lowerBound(chunk, key);
    if (chunk[position] === key) return;
    chunk.splice(position, 0, key);
    if (chunk.length > chunkKeysMax)
      this.#chunks.splice(this.#chunks.indexOf(chunk) + 1, 0, chunk.splice(chunkKeysMax / 2));
  }

  /** Removes a key; does nothing when it is not there. */
  delete(key: string): void {
    const chunk = this.#chunkFor(key);
    if (chunk === undefined) return;
    const position = lowerBound(chunk, key);
    if (chunk[position] !== key) return;
    chunk.splice(position, 1);
    if (chunk.length === 0) this.#chunks.splice(this.#chunks.indexOf(chunk), 1);
  }

  /** First key at or after `key`; `undefined` when there is none. */
  firstFrom(key: string): string | undefined {
    let position = this.#chunkPosition(key);
    const chunk = this.#chunks[position];
    if (chunk === undefined) return undefined;
    const found = chunk[lowerBound(chunk, key)];
    if (found !== undefined) return found;
    position++;
    return this.#chunks[position]?.[0];
  }

  /** Chunk in which `key` is or belongs: the last one that does not begin after it, or the first. */
  #chunkFor(key: string): string[] | undefined {
    return this.#chunks[this.#chunkPosition(key)];
  }

  #chunkPosition(key: string): number {
    let low = 0;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      const first = this.#chunks[middle]?.[0];
      if (first !== undefined && first <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const candidate = keys[middle];
    if (candidate !== undefined && candidate < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
