/** Knows which writes to the disk are under way, so that one which does not end can be told from many that do. */
export class WriteWatch {
  /** Numbers of the writes under way, in the order in which they began. */
  readonly #underWay = new Set<number>();
  #begun = 0;

  /** Number of the oldest write under way, counted from the start; `undefined` while none is. */
  get oldest(): number | undefined {
    return this.#underWay.values().next().value;
  }

  /** Runs a write. */
  async watch<Result>(write: () => Promise<Result>): Promise<Result> {
    const number = ++this.#begun;
    this.#underWay.add(number);
    try {
      return await write();
    } finally {
      this.#underWay.delete(number);
    }
  }
}
