/** When the states of the members are compared, and how fast they are read for it. */
export interface IntegrityOptions {
  /** Time between two comparisons that the leader begins by itself, milliseconds; 0: only on request. Default 3,600,000. */
  readonly checkIntervalMs: number;
  /** Bytes of state and log read back in a second, on average; 0: as many as come. Default 16 MiB. */
  readonly bytesPerSecondMax: number;
  /** Bytes read at once; the event loop turns in between. Default 64 KiB. */
  readonly pageBytes: number;
  /** Hashes of the own state that are kept. Default 8. */
  readonly resultsMax: number;
  /** Time after which a peer that has not told its hash is asked again, milliseconds. Default 5,000. */
  readonly askIntervalMs: number;
  /** How long peers are asked, milliseconds; hashes that differ without a majority are then told as they are. Default 600,000. */
  readonly askForMs: number;
}

/** The limits where nothing else is said. */
export const defaultIntegrityOptions: IntegrityOptions = {
  checkIntervalMs: 3_600_000,
  bytesPerSecondMax: 16 << 20,
  pageBytes: 64 << 10,
  resultsMax: 8,
  askIntervalMs: 5_000,
  askForMs: 600_000,
};
