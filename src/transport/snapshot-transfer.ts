import type { Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";

/** Asks a member for the next rows of a snapshot of its state. */
export interface SnapshotChunkRequest {
  /** Goes on with this snapshot; `null` asks for a new one. */
  readonly snapshotId: string | null;
  /** A new snapshot must stand at this index or later. */
  readonly minIndex: Index;
  /** The last row that the asker has; `null` before the first. */
  readonly after: Uint8Array | null;
  /** Bytes of rows that the answer may hold; one row may be larger. */
  readonly bytesMax: number;
}

/** A row of the state, as the state machine knows it. */
export type SnapshotRow = readonly [key: Uint8Array, value: Uint8Array];

/** Some rows of a snapshot, contiguous after the key that was asked for. */
export interface SnapshotChunk {
  /** Names the snapshot for the requests that follow. */
  readonly snapshotId: string;
  /** Where it stands. */
  readonly base: LogBase;
  readonly rows: readonly SnapshotRow[];
  /** Whether these are the last rows. */
  readonly done: boolean;
  /** About how much the whole snapshot comes to, bytes; for progress, 0 when not known. */
  readonly totalBytes: number;
}
