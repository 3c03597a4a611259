import type { Pair } from "../gen/raftkv/storage/v1/storage_pb.ts";

/** What the services read of the state as applied at present; the layout of its rows is `src/kv`'s. Throws when a row cannot be read. */
export interface KvReader {
  /** The pair under a key of UTF-8 bytes; `undefined` when there is none. The arrays in it must not be changed. */
  readPair(key: Uint8Array): Pair | undefined;
  /** Revision of the last change; 0 before the first. */
  revision(): number;
  /** Keys in the store. */
  keys(): number;
  /** Bytes of keys and values in the store. */
  sizeBytes(): number;
  /** Client sessions kept for exactly-once retries. */
  sessions(): number;
}
