import type { Index } from "../raft/entry.ts";
import type { Row } from "./storage-engine.ts";

/** Durable state rows as they were at one moment, whatever is written meanwhile; holds resources of the engine until closed. */
export interface StateSnapshot {
  /** What the rows come to: exactly the effects of every entry up to this one. */
  readonly appliedIndex: Index;
  /** One row; `undefined` when there is none. Throws when it is damaged. */
  get(key: Uint8Array): Uint8Array | undefined;
  /** Rows whose keys come after `after`, from the first with `null`; in byte order, in pages of about `pageBytes`. */
  rows(after: Uint8Array | null, pageBytes: number): AsyncIterable<readonly Row[]>;
  /** Lets go of what it holds; idempotent. */
  close(): Promise<void>;
}
