/** One change of a batch: a row written, or a row removed. */
export type RowChange =
  | { readonly type: "put"; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: "delete"; readonly key: Uint8Array };

/** Keys from `start` (included) to `end` (excluded), bytewise. */
export interface KeyRange {
  readonly start: Uint8Array;
  readonly end: Uint8Array;
}

/** A row as an iteration yields it. The arrays belong to the caller. */
export type Row = readonly [key: Uint8Array, value: Uint8Array];

/** How an iteration runs. */
export interface IterateOptions {
  /** Last key first. Default false. */
  readonly reverse?: boolean;
  /** At most this many rows. Default: all. */
  readonly limit?: number;
  /** Bytes of keys and values at which a page ends. Default 65,536. */
  readonly pageBytes?: number;
  /** Fetch the next page while the caller works on this one: for whole ranges, not for what may end early. Default false. */
  readonly readAhead?: boolean;
}

/** How a range is cleared. */
export interface ClearOptions {
  /**
   * Also gives the space back, where an engine would do that when it comes by: for what is large and is not followed by more
   * of its kind, since the engine rewrites what lies around. Default false.
   */
  readonly reclaim?: boolean;
}

/** What rows are read from: an engine as it is now, or one of its snapshots. */
export interface RowReader {
  /** Reads one row without giving up the thread; `undefined` when there is none. The array belongs to the caller. */
  get(key: Uint8Array): Uint8Array | undefined;
  /**
   * Rows of a range in byte order, as they were when the first page was asked for. They come in pages, none of them empty,
   * so that a long run costs a promise a page and not a promise a row.
   */
  iterate(range: KeyRange, options?: IterateOptions): AsyncIterable<readonly Row[]>;
}

/**
 * The rows of an engine as they were at one moment, whatever is written or cleared later. It holds resources of the engine
 * until it is closed, by itself or with the engine; after that every call is answered with `STORE_CLOSED`.
 */
export interface EngineSnapshot extends RowReader {
  /** Lets go of what it holds, also under iterations that have not ended; idempotent. */
  close(): Promise<void>;
}

/**
 * An ordered store of byte rows: what every engine offers and the contract suite checks (`test/contract`).
 *
 * Every write is durable when its promise resolves. A write that rejects leaves an unknown outcome behind, so the engine
 * answers every call after it with `WRITE_FAILED`: the caller stops the process (docs/storage.md, "Guarantees").
 * After `close` every call is answered with `STORE_CLOSED`.
 */
export interface StorageEngine extends RowReader {
  /** Name that the data directory remembers, such as "classic-level". */
  readonly name: string;
  /**
   * Applies all changes or none, then syncs. Later changes of a batch win over earlier ones of the same key. Several writes
   * may be under way, and then come in any order: only what changes different rows may overlap.
   */
  write(changes: readonly RowChange[]): Promise<void>;
  /**
   * Removes every row of a range in synced steps, none of which keeps the event loop for long; not atomic, and to be repeated
   * after a crash. Writes to other ranges may be under way meanwhile.
   */
  clear(range: KeyRange, options?: ClearOptions): Promise<void>;
  /** The rows as they are now: all of a write or nothing of it. */
  snapshot(): EngineSnapshot;
  /** Waits for the writes under way, then releases everything; idempotent. */
  close(): Promise<void>;
}
