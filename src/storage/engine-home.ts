import type { InstallationSource } from "./installation.ts";
import type { StorageEngine } from "./storage-engine.ts";

/** A file of an engine, as the engine calls it. */
export interface EngineFile {
  readonly name: string;
  /** Bytes of it that count; what was written behind them since does not. */
  readonly size: number;
}

/**
 * The files of an engine as they were at one moment, whatever the engine writes or removes later. They open as that engine, with
 * every row that was written before and perhaps some that were not; holds the files until closed.
 */
export interface EngineFiles {
  readonly files: readonly EngineFile[];
  /** Bytes of all of them. */
  readonly totalBytes: number;
  /**
   * Reads from `offset` of the files put end to end, at least one byte and at most `bytesMax`; nothing at their end. The array belongs to
   * the caller. Rejects with `STORE_CLOSED` after a close, and otherwise as reading a file does.
   */
  read(offset: number, bytesMax: number): Promise<Uint8Array>;
  /** Lets go of the files, also under reads that have not ended; idempotent. */
  close(): Promise<void>;
}

/** Files of another member's engine on their way into this one's home, beside the engine in use. They survive a restart. */
export interface IncomingFiles {
  readonly source: InstallationSource;
  /** What is to come. */
  readonly files: readonly EngineFile[];
  /**
   * Bytes that are here. A restart goes on behind them; of those that came last a power cut may take some as long as not all are
   * here, and from then on all are durable.
   */
  readonly bytes: number;
  /** Bytes of all files. */
  readonly totalBytes: number;
  /**
   * Adds the bytes that follow those that are here, at most those that are missing. One call at a time. Rejects with `WRITE_FAILED`
   * when they cannot be written; they can only be removed then.
   */
  append(data: Uint8Array): Promise<void>;
  /**
   * Opens them, once all bytes are here, as an engine that may be read and written, and that the caller closes unless it is adopted.
   * Rejects as opening an engine does. After a restart, what an earlier opening wrote may be there or not.
   */
  open(): Promise<StorageEngine>;
  /**
   * Makes the engine that {@link IncomingFiles.open} gave that of this home, durably: from now on the next start finds it, whatever
   * becomes of the files of the one before. Everything that was written to it is durable before. Rejects with `WRITE_FAILED`: which
   * of the two the next start finds is unknown then, so nothing may be written to either that anybody relies on.
   */
  adopt(): Promise<void>;
  /** Removes them, for good; their engine is closed. Not after an adoption. What a rejection leaves, a later start gives up. */
  remove(): Promise<void>;
}

/** Where an engine has its files, for those that can give them away and take those of another member. */
export interface EngineHome {
  /** Name of the engine. */
  readonly engineName: string;
  /** Files that were on their way when the home was opened and were not adopted; `undefined` when there are none. */
  readonly incoming: IncomingFiles | undefined;
  /**
   * The files of the engine in use as they are now. Rows that are being written meanwhile may be in them in part: the caller
   * sees to it that none are that matter. Rejects with `DIRECTORY_UNUSABLE` when the engine changed its files all the time, or
   * they cannot be opened.
   */
  files(): Promise<EngineFiles>;
  /**
   * Makes room, durably, for files from another member; there are no others on their way. Rejects with `STATE_CORRUPT` for files that
   * no engine has, and as making a file does; nothing is on its way then.
   */
  receive(source: InstallationSource, files: readonly EngineFile[]): Promise<IncomingFiles>;
  /**
   * Removes the files of every engine that was in use before the last adoption; they are closed. Does nothing when there are none.
   * What a rejection leaves, the next start removes.
   */
  removeFormer(): Promise<void>;
}
