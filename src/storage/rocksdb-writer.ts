import { extname } from "node:path";
import { Worker } from "node:worker_threads";
import { assert } from "../lib/assert.ts";
import { packBatch } from "./rocksdb-batch.ts";
import type { ColumnName, Segment } from "./rocksdb-columns.ts";
import type { RocksdbWrites } from "./rocksdb-engine.ts";
import type { RowChange } from "./storage-engine.ts";

/** What the writing thread is asked to do. */
export type WriterTask =
  | { readonly id: number; readonly type: "write"; readonly batch: ArrayBuffer }
  | {
      readonly id: number;
      readonly type: "clear";
      readonly column: ColumnName;
      readonly start: Uint8Array;
      readonly end: Uint8Array;
    };

/** How a task ended; `error` is absent when it is durable. */
export interface WriterAnswer {
  readonly id: number;
  readonly error: { readonly message: string; readonly code: unknown } | undefined;
}

interface Waiting {
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** Tasks under way at most. A store has a handful: a turn, a page of a snapshot, a compaction, a removal, a peer. */
const tasksMax = 1024;

// Beside this file, with the ending that this file has: .ts from the sources, .js when built.
const threadFile = new URL(`./rocksdb-writer-thread${extname(import.meta.url)}`, import.meta.url);

/**
 * Hands writes to a thread that shares the database; tasks are done in the order asked for, each synced. The thread keeps the
 * process alive only while there is a task.
 */
export class RocksdbWriter implements RocksdbWrites {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ended: Error | undefined;
  /** Told when nothing is under way any more. */
  #idle: () => void = () => {};

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on("message", (answer: WriterAnswer) => this.#answered(answer));
    worker.on("error", (error) => this.#end(error instanceof Error ? error : new Error(String(error))));
    worker.on("exit", () => this.#end(new Error("the thread that writes has ended")));
  }

  /** Starts the thread. Rejects when it cannot share the database. */
  static async start(handle: bigint): Promise<RocksdbWriter> {
    const worker = new Worker(threadFile, { workerData: { handle }, name: "rocksdb-writer" });
    await new Promise<void>((resolve, reject) => {
      worker.once("message", () => resolve());
      worker.once("error", reject);
      worker.once("exit", (code) => reject(new Error(`the thread ended with ${code} before it was ready`)));
    });
    worker.unref();
    return new RocksdbWriter(worker);
  }

  /** Writes one batch; rejects when it failed, and its outcome is unknown then. */
  write(changes: readonly RowChange[]): Promise<void> {
    const batch = packBatch(changes);
    return this.#ask((id) => ({ id, type: "write", batch }), [batch]);
  }

  /** Removes every row of a part of a range. */
  clear({ column, range }: Segment): Promise<void> {
    return this.#ask((id) => ({ id, type: "clear", column, start: range.start, end: range.end }), []);
  }

  /** Ends the thread after the tasks under way. */
  async close(): Promise<void> {
    if (this.#waiting.size > 0) await new Promise<void>((resolve) => (this.#idle = resolve));
    await this.#worker.terminate();
  }

  #ask(task: (id: number) => WriterTask, transfer: ArrayBuffer[]): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    assert(this.#waiting.size < tasksMax, () => `${tasksMax} writes wait for the thread`);
    this.#worker.ref();
    const id = this.#nextId++;
    const done = new Promise<void>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#worker.postMessage(task(id), transfer);
    return done;
  }

  #answered({ id, error }: WriterAnswer): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve();
    else waiting?.reject(Object.assign(new Error(error.message), { code: error.code }));
    if (this.#waiting.size > 0) return;
    this.#worker.unref();
    this.#idle();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#waiting.values()) reject(this.#ended);
    this.#waiting.clear();
    this.#idle();
  }
}
