import type { Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { EngineFile } from "../storage/engine-home.ts";

/** Asks a member for the next part of a snapshot of its state. */
export interface SnapshotChunkRequest {
  /** Goes on with this snapshot; `null` asks for a new one. */
  readonly snapshotId: string | null;
  /** A new snapshot must stand at this index or later. */
  readonly minIndex: Index;
  /** Engine whose files a new snapshot may be sent as; `null` asks for rows. */
  readonly engine: string | null;
  /** Of a snapshot in rows, the last one that the asker has; `null` before the first. */
  readonly after: Uint8Array | null;
  /** Of a snapshot in files, how many bytes of them the asker has. */
  readonly offset: number;
  /** Bytes of rows or files that the answer may hold; one row may be larger. */
  readonly bytesMax: number;
}

/** A row of the state, as the state machine knows it. */
export type SnapshotRow = readonly [key: Uint8Array, value: Uint8Array];

/** Some rows of a snapshot, contiguous after the key that was asked for. */
export interface RowsPart {
  readonly type: "rows";
  readonly rows: readonly SnapshotRow[];
}

/** Bytes of the files of an engine that holds the snapshot, put end to end, from the offset that was asked for. */
export interface FilesPart {
  readonly type: "files";
  /** All files, in order; none but in the answer that begins a snapshot. */
  readonly files: readonly EngineFile[];
  readonly data: Uint8Array;
}

/** A part of a snapshot. */
export interface SnapshotChunk {
  /** Names the snapshot for the requests that follow. */
  readonly snapshotId: string;
  /** Where it stands. */
  readonly base: LogBase;
  /** All parts of a snapshot are of one type. */
  readonly part: RowsPart | FilesPart;
  /** Whether this is the last part. */
  readonly done: boolean;
  /** About how much the whole snapshot comes to, bytes; for progress, 0 when not known. */
  readonly totalBytes: number;
}
