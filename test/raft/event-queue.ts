interface Scheduled {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

/** Things to do at points of virtual time; equal times run in the order in which they were scheduled. */
export class EventQueue {
  /** A binary heap: what is due first stands first. */
  readonly #heap: Scheduled[] = [];
  #scheduled = 0;
  #nowMs = 0;

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Runs `run` when `delayMs` have passed. */
  after(delayMs: number, run: () => void): void {
    const event = { atMs: this.#nowMs + delayMs, order: this.#scheduled++, run };
    this.#heap.push(event);
    this.#rise(this.#heap.length - 1, event);
  }

  /** Runs what is due next; whether there was anything due up to `untilMs`. */
  runNext(untilMs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atMs > untilMs) {
      this.#nowMs = Math.max(this.#nowMs, untilMs);
      return false;
    }
    const last = this.#heap.pop();
    if (last !== undefined && last !== next) this.#sink(last);
    this.#nowMs = next.atMs;
    next.run();
    return true;
  }

  /** Moves what is due after `event` down, from its place `at` up, and puts it where it belongs. */
  #rise(at: number, event: Scheduled): void {
    const heap = this.#heap;
    let place = at;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || !isDueBefore(event, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = event;
  }

  /** Moves what is due before `event` up, from the free first place down, and puts it where it belongs. */
  #sink(event: Scheduled): void {
    const heap = this.#heap;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      let child = heap[below];
      const right = heap[below + 1];
      if (child !== undefined && right !== undefined && isDueBefore(right, child)) {
        child = right;
        below++;
      }
      if (child === undefined || !isDueBefore(child, event)) break;
      heap[place] = child;
      place = below;
    }
    heap[place] = event;
  }
}

function isDueBefore(a: Scheduled, b: Scheduled): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}
