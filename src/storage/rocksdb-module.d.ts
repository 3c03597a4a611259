// The package brings no types: this is the part of it that the engine uses.
declare module "@nxtedition/rocksdb" {
  /** A column family, only for the thread that opened the database here. */
  export type Column = object;

  export interface ColumnOptions {
    readonly compaction?: "level" | "universal";
    readonly memtableMemoryBudget?: number;
    readonly cacheSize?: number;
    readonly compression?: boolean;
    readonly optimize?: "point-lookup";
  }

  export interface OpenOptions {
    readonly createIfMissing?: boolean;
    readonly walCompression?: boolean;
    readonly parallelism?: number;
    readonly columns: Readonly<Record<string, ColumnOptions>>;
  }

  export interface RangeOptions {
    readonly gte?: Uint8Array;
    readonly lt?: Uint8Array;
    readonly column: Column;
    readonly reverse?: boolean;
    readonly limit?: number;
    readonly highWaterMarkBytes?: number;
    readonly fillCache?: boolean;
  }

  export interface RocksIterator {
    nextv(count: number): Promise<[Uint8Array, Uint8Array][]>;
    seek(target: Uint8Array): void;
    close(): Promise<void>;
    /** Reads without giving up the thread: keys and values in turn. */
    _nextvSync(count: number, options: object): { readonly rows: readonly Uint8Array[]; readonly finished: boolean };
  }

  export interface RocksBatch {
    put(key: Uint8Array, value: Uint8Array, options: { readonly column: Column }): RocksBatch;
    del(key: Uint8Array, options: { readonly column: Column }): RocksBatch;
    /** Writes without giving up the thread, whatever the promise looks like. */
    write(options: { readonly sync: boolean }): Promise<void>;
  }

  export class RocksLevel {
    /** A directory, or the handle of a database that another thread of the process has open. */
    constructor(
      location: string | bigint,
      options: { readonly keyEncoding: "buffer"; readonly valueEncoding: "buffer" },
    );
    readonly handle: bigint;
    /** Number of the last change written. */
    readonly sequence: number;
    readonly columns: Readonly<Record<string, Column>>;
    open(options: OpenOptions): Promise<void>;
    close(): Promise<void>;
    batch(): RocksBatch;
    /** Removes a range with one marker; not synced. */
    clear(options: RangeOptions): Promise<void>;
    iterator(options: RangeOptions): RocksIterator;
    _getManySync(keys: readonly Uint8Array[], options: { readonly column: Column }): (Uint8Array | undefined)[];
  }
}
