import type {
  ClearOptions,
  EngineSnapshot,
  IterateOptions,
  KeyRange,
  Row,
  RowChange,
  StorageEngine,
} from "./storage-engine.ts";

/** An engine that is, or was, the one in use. */
class Held {
  readonly engine: StorageEngine;
  /** Calls, iterations and snapshots that have not ended. */
  #uses = 0;
  #unused: () => void = () => {};

  constructor(engine: StorageEngine) {
    this.engine = engine;
  }

  begin(): void {
    this.#uses += 1;
  }

  end(): void {
    this.#uses -= 1;
    if (this.#uses === 0) this.#unused();
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.begin();
    try {
      return await work();
    } finally {
      this.end();
    }
  }

  /** Resolves when nothing uses it, or after {@link Held.close}. */
  async unused(): Promise<void> {
    if (this.#uses === 0) return;
    await new Promise<void>((resolve) => {
      this.#unused = resolve;
    });
  }

  /** Closes it under whatever uses it. */
  async close(): Promise<void> {
    await this.engine.close();
    this.#unused();
  }
}

/**
 * The engine of a store, which another one may follow while the store is open: what began with the one before ends with it, whatever
 * comes after goes to the new one.
 */
export class EngineSlot implements StorageEngine {
  #held: Held;
  /** The engine before, while something still uses it. */
  #former: Held | undefined;

  constructor(engine: StorageEngine) {
    this.#held = new Held(engine);
  }

  get name(): string {
    return this.#held.engine.name;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    return this.#held.engine.get(key);
  }

  async *iterate(range: KeyRange, options?: IterateOptions): AsyncGenerator<readonly Row[]> {
    const held = this.#held;
    held.begin();
    try {
      yield* held.engine.iterate(range, options);
    } finally {
      held.end();
    }
  }

  write(changes: readonly RowChange[]): Promise<void> {
    const held = this.#held;
    return held.during(() => held.engine.write(changes));
  }

  clear(range: KeyRange, options?: ClearOptions): Promise<void> {
    const held = this.#held;
    return held.during(() => held.engine.clear(range, options));
  }

  snapshot(): EngineSnapshot {
    const held = this.#held;
    const snapshot = held.engine.snapshot();
    held.begin();
    let closing: Promise<void> | undefined;
    return {
      get: (key) => snapshot.get(key),
      iterate: (range, options) => snapshot.iterate(range, options),
      close() {
        closing ??= snapshot.close().finally(() => held.end());
        return closing;
      },
    };
  }

  /**
   * Puts another engine in the place of this one. Resolves when nothing uses the one before any more and it is closed; until
   * then it must not be called again.
   */
  async switchTo(engine: StorageEngine): Promise<void> {
    const former = this.#held;
    this.#held = new Held(engine);
    this.#former = former;
    await former.unused();
    await former.close();
    this.#former = undefined;
  }

  /** Closes both engines, also under what still uses the former one. */
  async close(): Promise<void> {
    try {
      await this.#former?.close();
    } finally {
      await this.#held.close();
    }
  }
}
