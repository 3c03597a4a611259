import { MemoryRows, openMemoryEngine, openMemorySnapshot } from "../../src/storage/memory-engine.ts";
import type { RowChange, StorageEngine } from "../../src/storage/storage-engine.ts";
import { UseGuard } from "../../src/storage/use-guard.ts";
import type { Watermark, WatermarkFile } from "../../src/storage/watermark.ts";

/** Where in a storage call the process dies. */
export type CrashPlace = "before" | "during" | "after";

/** One way for a process to die. */
export interface Crash {
  /** Number of the storage call, from 1. */
  readonly call: number;
  readonly place: CrashPlace;
  /** Bit i: whether the i-th of the writes then under way is there afterwards. A batch is there whole or not at all. */
  readonly kept: number;
}

/** Which of the writes under way is durable first. */
export type Order = "oldest first" | "newest first";

/** What is never settled: the process that waits for it is dead. */
const never = <Value>(): Promise<Value> => new Promise(() => {});

/** Rows that one step of a clear removes: few, so that clearing takes several. */
const clearStepRows = 2;

/**
 * A disk on which writes take a while, may overlap, and on which a process may be made to die at any storage call. What was
 * under way then is durable or not, each write by itself.
 */
export class CrashDisk {
  readonly rows: MemoryRows;
  watermark: Watermark | undefined;
  /** Writes under way at each place of each call, for finding out all the ways to die. */
  readonly underWay: { readonly call: number; readonly place: CrashPlace; readonly writes: number }[] = [];
  /** Resolves when the process dies. */
  readonly died: Promise<void>;
  #dead = false;
  #die: () => void = () => {};
  #calls = 0;
  readonly #pending: (() => void)[] = [];
  readonly #crash: Crash | undefined;
  readonly #order: Order;

  constructor(options: { readonly from?: CrashDisk; readonly crash?: Crash; readonly order?: Order } = {}) {
    this.rows = new MemoryRows();
    for (const [key, value] of options.from?.rows.snapshot() ?? []) this.rows.apply({ type: "put", key, value });
    this.watermark = options.from?.watermark;
    this.#crash = options.crash;
    this.#order = options.order ?? "oldest first";
    this.died = new Promise((resolve) => {
      this.#die = resolve;
    });
  }

  /** Opens an engine over it. */
  engine(): StorageEngine {
    const guard = new UseGuard("crash disk");
    const reader = openMemoryEngine(this.rows);
    const check = (): void => guard.check();
    const underWay = new Set<Promise<void>>();
    const write = (changes: readonly RowChange[]): Promise<void> => {
      const writing = this.#write(() => {
        for (const change of changes) this.rows.apply(change);
      });
      underWay.add(writing);
      return writing.finally(() => underWay.delete(writing));
    };
    const engine: StorageEngine = {
      ...reader,
      async write(changes) {
        check();
        await write(changes);
      },
      async clear(range) {
        for (;;) {
          const deletes: RowChange[] = [];
          for await (const page of engine.iterate(range, { limit: clearStepRows })) {
            for (const [key] of page) deletes.push({ type: "delete", key });
          }
          if (deletes.length === 0) return;
          await engine.write(deletes);
        }
      },
      async *iterate(range, options) {
        check();
        yield* reader.iterate(range, options);
        check();
      },
      snapshot: () => openMemorySnapshot(this.rows.snapshot(), check),
      async close() {
        guard.close();
        await Promise.all(underWay);
      },
    };
    return engine;
  }

  /** Opens the watermark file. */
  watermarkFile(): WatermarkFile {
    return {
      read: async () => this.watermark,
      write: (watermark) =>
        this.#write(() => {
          this.watermark = watermark;
        }),
      close: async () => {},
    };
  }

  /** Resolves when no write is under way. */
  async quiet(): Promise<void> {
    do await nextTurn();
    while (this.#pending.length > 0);
  }

  async #write(land: () => void): Promise<void> {
    this.#calls += 1;
    const call = this.#calls;
    if (this.#diesAt(call, "before")) return never();
    let landed = false;
    this.#pending.push(() => {
      landed = true;
      land();
    });
    if (this.#diesAt(call, "during")) return never();
    while (!landed) {
      await nextTurn();
      if (this.#dead) return never();
      this.#landOne();
    }
    if (this.#diesAt(call, "after")) return never();
  }

  #landOne(): void {
    const land = this.#order === "oldest first" ? this.#pending.shift() : this.#pending.pop();
    land?.();
  }

  #diesAt(call: number, place: CrashPlace): boolean {
    if (this.#dead) return true;
    this.underWay.push({ call, place, writes: this.#pending.length });
    if (this.#crash?.call !== call || this.#crash.place !== place) return false;
    const { kept } = this.#crash;
    for (const [position, land] of this.#pending.entries()) if ((kept >> position) & 1) land();
    this.#dead = true;
    this.#die();
    return true;
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
