/** How snapshots are sent and fetched. */
export interface SnapshotOptions {
  /** Bytes of rows asked for at once; of files four times as many. Default 1 MiB. */
  readonly chunkBytes: number;
  /** Bytes of rows fetched in a second, on average, but a row every third of `idleMs` at least; 0: as many as come. Default 0. */
  readonly bytesPerSecondMax: number;
  /** Snapshots kept open for others at one time. Default 4. */
  readonly openMax: number;
  /** How long one is kept that nobody asks rows of, milliseconds; a follower may be restarted meanwhile. Default 60,000. */
  readonly idleMs: number;
  /** First wait after a request that failed, milliseconds; doubles up to the maximum. Default 100. */
  readonly retryMinMs: number;
  /** Longest such wait, milliseconds. Default 5,000. */
  readonly retryMaxMs: number;
  /** How long rows are fetched without a leader that says so, milliseconds. Default 60,000. */
  readonly announcedMs: number;
  /**
   * Files of the engine are sent where they come to at most so many times the bytes of the rows: with more, such as the engine's log
   * beside a small state, rows are less work. Default 3.
   */
  readonly filesToRowsMax: number;
  /** Bytes that the disk has to have left when all of a snapshot is there; it is not fetched before. Default 0. */
  readonly spareBytes: number;
}

/** The limits where nothing else is said. */
export const defaultSnapshotOptions: SnapshotOptions = {
  chunkBytes: 1 << 20,
  bytesPerSecondMax: 0,
  openMax: 4,
  idleMs: 60_000,
  retryMinMs: 100,
  retryMaxMs: 5_000,
  announcedMs: 60_000,
  filesToRowsMax: 3,
  spareBytes: 0,
};
