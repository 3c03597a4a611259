/** Bytes of one generation; the cache holds at most two. */
const generationBytesMax = 8 << 20;

/** What the cache knows of a row; `value` is `undefined` when the store has no such row. */
export interface CachedRow {
  readonly value: Uint8Array | undefined;
}

/** Rows read or written lately, so that a busy row costs no read of the store. The older half goes when the newer is full. */
export class RowCache {
  #young = new Map<string, CachedRow>();
  #old = new Map<string, CachedRow>();
  #youngBytes = 0;

  get(name: string): CachedRow | undefined {
    const young = this.#young.get(name);
    if (young !== undefined) return young;
    const old = this.#old.get(name);
    if (old !== undefined) this.set(name, old.value);
    return old;
  }

  set(name: string, value: Uint8Array | undefined): void {
    const before = this.#young.get(name);
    if (before !== undefined) this.#youngBytes -= sizeOf(name, before.value);
    this.#young.set(name, { value });
    this.#old.delete(name);
    this.#youngBytes += sizeOf(name, value);
    if (this.#youngBytes <= generationBytesMax) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
  }
}

function sizeOf(name: string, value: Uint8Array | undefined): number {
  return 64 + name.length + (value?.length ?? 0);
}
