/** Sizes, counts and times beyond which a request is refused. Sizes are bytes. */
export interface ServerLimits {
  /** Longest key. Default 4096. */
  readonly keyBytesMax: number;
  /** Longest value. Default 1 MiB. */
  readonly valueBytesMax: number;
  /** Largest request message. Default 2 MiB. */
  readonly requestBytesMax: number;
  /** Longest client id of a request id. Default 64. */
  readonly clientIdBytesMax: number;
  /** Calls of the key-value and cluster services under way at once, over all connections. Default 8192. */
  readonly inFlightCallsMax: number;
  /** Bytes of the requests of those calls together; a call that is alone may exceed it. Default 64 MiB. */
  readonly inFlightBytesMax: number;
  /** Streams open at once on one connection. Default 128. */
  readonly concurrentStreamsMax: number;
  /** Health watches open at once. Default 256. */
  readonly healthWatchesMax: number;
  /** Reflection streams open at once. Default 64. */
  readonly reflectionStreamsMax: number;
  /** Backups under way at once; each keeps a snapshot of the state open. Default 2. */
  readonly backupsMax: number;
  /** Deadline of a call that names none. Default 10 s. */
  readonly defaultDeadlineMs: number;
  /** Longest deadline that is honoured; a later one is cut to this. Default 60 s. */
  readonly deadlineMsMax: number;
  /** How long the body of a unary request may take to arrive. Default 10 s. */
  readonly receiveTimeoutMs: number;
}

/** The limits where nothing else is said. */
export const defaultServerLimits: ServerLimits = {
  keyBytesMax: 4096,
  valueBytesMax: 1024 * 1024,
  requestBytesMax: 2 * 1024 * 1024,
  clientIdBytesMax: 64,
  inFlightCallsMax: 8192,
  inFlightBytesMax: 64 * 1024 * 1024,
  concurrentStreamsMax: 128,
  healthWatchesMax: 256,
  reflectionStreamsMax: 64,
  backupsMax: 2,
  defaultDeadlineMs: 10_000,
  deadlineMsMax: 60_000,
  receiveTimeoutMs: 10_000,
};
