/** Codes of every operating error; stable, while messages are free to change (docs/errors.md has a heading for each). */
export type ErrorCode =
  /** A setting is unknown, missing or out of bounds. */
  | "CONFIG_INVALID"
  /** An address cannot be bound. */
  | "ADDRESS_IN_USE"
  /** Another process, or another store of this one, has the directory. */
  | "DIRECTORY_LOCKED"
  /** The directory belongs to another cluster, member, engine or bootstrap configuration. */
  | "DIRECTORY_MISMATCH"
  /** The cluster that the member was to join did not list it in time. */
  | "JOIN_FAILED"
  /** The directory's format is newer than this version, or unknown. */
  | "FORMAT_UNSUPPORTED"
  /** The directory cannot be made, read or opened. */
  | "DIRECTORY_UNUSABLE"
  /** An entry of the log is damaged, missing, or older than what was once durable. */
  | "LOG_CORRUPT"
  /** A row other than a log entry is damaged. */
  | "STATE_CORRUPT"
  /** The directory does not hold what its member has acknowledged. */
  | "DATA_LOST"
  /** Entries were asked for that the durable log does not hold. */
  | "LOG_RANGE"
  /** A write or sync failed; its outcome is unknown and the store refuses everything after it. */
  | "WRITE_FAILED"
  /** A write to the disk did not end in time. */
  | "WRITE_STALLED"
  /** The store was closed. */
  | "STORE_CLOSED"
  /** A peer speaks for another cluster, member, directory or protocol. */
  | "PEER_REFUSED"
  /** A peer did not answer, or not with anything that can be used; it may be asked again. */
  | "PEER_UNREACHABLE"
  /** A snapshot that rows were asked of is not kept any more; a new one may be begun. */
  | "SNAPSHOT_GONE"
  /** A backup is damaged, cut short, or none. */
  | "BACKUP_CORRUPT"
  /** A 64-bit number from the wire or the disk is beyond 2^53 - 1. */
  | "NUMBER_OUT_OF_RANGE";

/** An operating error: something outside the program is not as it has to be. Told apart by `code`, never by message. */
export class RaftKvError extends Error {
  override readonly name = "RaftKvError";
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { readonly cause?: unknown }) {
    super(message, options);
    this.code = code;
  }
}
