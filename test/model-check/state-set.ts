/** A set of 64-bit digests in open addressing: 8 bytes a slot, at least half of them free. */
export class StateSet {
  #low: Int32Array;
  #high: Int32Array;
  #mask: number;
  #size = 0;

  constructor(capacity = 1 << 16) {
    this.#mask = capacity - 1;
    this.#low = new Int32Array(capacity);
    this.#high = new Int32Array(capacity);
  }

  get size(): number {
    return this.#size;
  }

  /** Adds a digest; whether it was new. */
  add(low: number, high: number): boolean {
    // Two zeros mark a free slot.
    const marked = low === 0 && high === 0 ? 1 : high;
    const slot = this.#find(low, marked);
    if (this.#isTaken(slot)) return false;
    this.#low[slot] = low;
    this.#high[slot] = marked;
    this.#size++;
    if (this.#size * 2 > this.#mask) this.#grow();
    return true;
  }

  #isTaken(slot: number): boolean {
    return this.#low[slot] !== 0 || this.#high[slot] !== 0;
  }

  #find(low: number, high: number): number {
    let slot = (low ^ (high << 7)) & this.#mask;
    while (this.#isTaken(slot) && (this.#low[slot] !== low || this.#high[slot] !== high))
      slot = (slot + 1) & this.#mask;
    return slot;
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high];
    const capacity = 2 * (this.#mask + 1);
    this.#mask = capacity - 1;
    this.#low = new Int32Array(capacity);
    this.#high = new Int32Array(capacity);
    low.forEach((lowWord, from) => {
      const highWord = high[from] ?? 0;
      if (lowWord === 0 && highWord === 0) return;
      const slot = this.#find(lowWord, highWord);
      this.#low[slot] = lowWord;
      this.#high[slot] = highWord;
    });
  }
}
