import type { RaftKvError } from "../lib/errors.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { KeyRange, Row } from "./storage-engine.ts";

/** Whose snapshot is being installed. */
export interface InstallationSource {
  /** Names the snapshot at the member that holds it. */
  readonly snapshotId: string;
  readonly from: MemberId;
  /** Where it stands. */
  readonly base: LogBase;
}

/**
 * A new state on its way, beside the one in use. It survives a restart; nothing of it is seen by reads before
 * {@link InstallationBase.finish}.
 */
interface InstallationBase {
  readonly source: InstallationSource;
  /** Bytes added: of keys and values, or of files. */
  readonly bytes: number;
  /**
   * Makes what was added readable, once that is all. Resolves with the reason when what came is of no use, so that it has to be
   * abandoned; rejects when the member has to stop.
   */
  complete(): Promise<RaftKvError | undefined>;
  /** Rows added so far, in byte order; of files, once they are complete. */
  iterate(range: KeyRange): AsyncIterable<Row>;
  /**
   * Makes the new state the state, in one durable step: rows, log base, configuration, applied and commit index. The log is kept
   * after the base when it has the base's entry, and given up otherwise. `switched` is called at the moment from which reads see
   * the new rows. The base must be beyond what is committed and applied. No turn may be under way or begin before the promise
   * resolves, and no other installation.
   */
  finish(switched: () => void): Promise<void>;
  /** Gives it up, once what is being added is there; everything of it is removed. Does nothing when it has ended. */
  abandon(): Promise<void>;
}

/** An installation that comes in rows, which fill a new generation of the engine in use. */
export interface RowsInstallation extends InstallationBase {
  readonly type: "rows";
  /** Key of the last row added; `null` before the first. */
  readonly lastKey: Uint8Array | null;
  readonly rowCount: number;
  /**
   * Adds rows durably, in byte order after {@link RowsInstallation.lastKey}: rows in another order come from a bug, so what a peer
   * sent has to be checked before. Many rows take several batches, so that a crash may leave the first of them. One call at a
   * time; turns may be written meanwhile.
   */
  addRows(rows: readonly Row[]): Promise<void>;
}

/** An installation that comes in files of the same engine, which take the place of those in use. */
export interface FilesInstallation extends InstallationBase {
  readonly type: "files";
  /** What {@link FilesInstallation.bytes} come to in the end. */
  readonly totalBytes: number;
  /** Adds the bytes that follow; no more than are missing. They are durable then. One call at a time. */
  addBytes(data: Uint8Array): Promise<void>;
}

/** A new state on its way, in either form. */
export type Installation = RowsInstallation | FilesInstallation;
