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
 * A new generation of state rows on its way, beside the one in use. It survives a restart with everything that was added;
 * nothing of it is seen by reads before {@link Installation.finish}.
 */
export interface Installation {
  readonly source: InstallationSource;
  /** Key of the last row added; `null` before the first. */
  readonly lastKey: Uint8Array | null;
  readonly rowCount: number;
  /** Bytes of keys and values added. */
  readonly bytes: number;
  /**
   * Adds rows durably, in byte order after {@link Installation.lastKey}: rows in another order come from a bug, so what a peer
   * sent has to be checked before. Many rows take several batches, so that a crash may leave the first of them. One call at a
   * time; turns may be written meanwhile.
   */
  addRows(rows: readonly Row[]): Promise<void>;
  /** Rows added so far, in byte order. */
  iterate(range: KeyRange): AsyncIterable<Row>;
  /**
   * Makes the new generation the state, in one synced batch: rows, log base, configuration, applied and commit index. The
   * log is kept after the base when it has the base's entry, and given up otherwise. `switched` is called at the moment from
   * which reads see the new rows. The base must be beyond what is committed and applied. No turn may be under way or begin
   * before the promise resolves, and no other installation.
   */
  finish(switched: () => void): Promise<void>;
  /** Gives it up, once rows that are being added are there; they are all removed in the background. Does nothing when it has ended. */
  abandon(): Promise<void>;
}
