/** Things to do at points of virtual time; equal times run in the order in which they were scheduled. */
export class EventQueue {
  #heap: { readonly atMs: number; readonly order: number; readonly run: () => void }[] = [];
  #scheduled = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` when `delayMs` have passed. */
  after(delayMs: number, run: () => void): void {
    const heap = this.#heap;
    let child = heap.push({ atMs: this.#nowMs + delayMs, order: this.#scheduled++, run }) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!this.#swapWhenLater(parent, child)) break;
      child = parent;
    }
  }

  /** Runs what is due next; whether there was anything due up to `untilMs`. */
  runNext(untilMs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atMs > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    const last = this.#heap.pop();
    if (last !== undefined && last !== next) {
      this.#heap[0] = last;
      this.#sink();
    }
    this.#nowMs = next.atMs;
    next.run();
    return true;
  }

  #sink(): void {
    for (let parent = 0; ; ) {
      const left = 2 * parent + 1;
      if (left >= this.#heap.length) return;
      const child = left + 1 < this.#heap.length && this.#isLater(left, left + 1) ? left + 1 : left;
      if (!this.#swapWhenLater(parent, child)) return;
      parent = child;
    }
  }

  #isLater(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a], this.#heap[b]];
    if (left === undefined || right === undefined) return false;
    return left.atMs > right.atMs || (left.atMs === right.atMs && left.order > right.order);
  }

  #swapWhenLater(a: number, b: number): boolean {
    const [left, right] = [this.#heap[a], this.#heap[b]];
    if (left === undefined || right === undefined || !this.#isLater(a, b)) return false;
    this.#heap[a] = right;
    this.#heap[b] = left;
    return true;
  }
}
