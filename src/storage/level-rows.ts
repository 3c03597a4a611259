import type { ClassicLevel } from "classic-level";
import { RaftKvError } from "../lib/errors.ts";
import { damaged } from "./damaged.ts";
import { engineReason } from "./engine-reason.ts";
import type { IterateOptions, KeyRange, Row, RowReader } from "./storage-engine.ts";

/** LevelDB as the classic-level engine uses it: bytes to bytes. */
export type LevelDatabase = ClassicLevel<Uint8Array, Uint8Array>;

/** A moment of a {@link LevelDatabase}. */
export type LevelSnapshot = ReturnType<LevelDatabase["snapshot"]>;

/** Rows that one iteration step fetches at most; LevelDB's binding reserves room for as many. */
const pageRowsMax = 1024;

/** What LevelDB's iterators of rows and of keys have in common. */
interface LevelIterator<Item> {
  nextv(size: number): Promise<readonly Item[]>;
  close(): Promise<void>;
}

/** Reads the rows of LevelDB as they are now, or as a snapshot has them. */
export class LevelRows implements RowReader {
  readonly #database: LevelDatabase;
  readonly #snapshot: LevelSnapshot | undefined;
  /** Throws when nothing may be read any more. */
  readonly #check: () => void;
  readonly #iterators = new Set<LevelIterator<unknown>>();

  constructor(database: LevelDatabase, snapshot: LevelSnapshot | undefined, check: () => void) {
    this.#database = database;
    this.#snapshot = snapshot;
    this.#check = check;
  }

  get(key: Uint8Array): Uint8Array | undefined {
    this.#check();
    try {
      // Without options where there is no snapshot: the binding has a shorter way then.
      return this.#snapshot === undefined
        ? this.#database.getSync(key)
        : this.#database.getSync(key, { snapshot: this.#snapshot });
    } catch (error) {
      throw this.#unreadable(error);
    }
  }

  iterate({ start, end }: KeyRange, options: IterateOptions = {}): AsyncGenerator<readonly Row[]> {
    const { reverse = false, limit = -1, pageBytes: highWaterMarkBytes = 65_536, readAhead = false } = options;
    const range = { gte: start, lt: end, reverse, limit, highWaterMarkBytes };
    const snapshot = this.#snapshot;
    return this.#pages(
      () => this.#database.iterator(snapshot === undefined ? range : { ...range, snapshot }),
      readAhead,
    );
  }

  /** Keys of a range alone, `pageKeys` at a time: what is to be removed need not be read. */
  keys({ start, end }: KeyRange, pageKeys: number): AsyncGenerator<readonly Uint8Array[]> {
    return this.#pages(() => this.#database.keys({ gte: start, lt: end }), false, pageKeys);
  }

  /** Ends the iterations that have not ended: their next page is answered by `check`. */
  async closeIterators(): Promise<void> {
    await Promise.all([...this.#iterators].map((iterator) => iterator.close()));
  }

  async *#pages<Item>(
    begin: () => LevelIterator<Item>,
    readAhead: boolean,
    pageItems = pageRowsMax,
  ): AsyncGenerator<readonly Item[]> {
    this.#check();
    const iterator = begin();
    this.#iterators.add(iterator);
    const fetch = (): Promise<readonly Item[] | RaftKvError> =>
      iterator.nextv(pageItems).catch((error: unknown) => this.#unreadable(error));
    try {
      let next: ReturnType<typeof fetch> | undefined;
      for (;;) {
        const page = await (next ?? fetch());
        this.#check();
        if (page instanceof RaftKvError) throw page;
        if (page.length === 0) return;
        if (readAhead) next = fetch();
        yield page;
      }
    } finally {
      this.#iterators.delete(iterator);
      await iterator.close();
    }
  }

  #unreadable(cause: unknown): RaftKvError {
    const what = `${this.#database.location}: LevelDB cannot read its tables (${engineReason(cause)})`;
    return damaged("STATE_CORRUPT", what, cause);
  }
}
