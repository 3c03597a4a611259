import { RaftKvError } from "../lib/errors.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { EngineFiles } from "../storage/engine-home.ts";
import type { StateSnapshot } from "../storage/state-snapshot.ts";
import type { FilesPart, RowsPart, SnapshotChunkRequest, SnapshotRow } from "../transport/snapshot-transfer.ts";

/** A part of a snapshot as it is read for whoever asked for it. */
export interface PartRead<Part = RowsPart | FilesPart> {
  readonly part: Part;
  /** Bytes of rows or files. */
  readonly bytes: number;
  readonly done: boolean;
}

/** The state at one index, in one of the forms in which it is sent. */
export interface SnapshotContent {
  readonly base: LogBase;
  /** About what the whole comes to, bytes; 0 when not known. */
  readonly totalBytes: number;
  /** The part that is asked for. Rejects with `SNAPSHOT_GONE` when it was closed. */
  next(request: SnapshotChunkRequest): Promise<PartRead>;
  /** Lets go of what it holds. */
  close(): Promise<void>;
}

/** What {@link SnapshotContent.next} of a closed one is answered with. */
export function gone(id: string): RaftKvError {
  return new RaftKvError("SNAPSHOT_GONE", `snapshot ${id} is not kept any more`);
}

/** Bytes of rows read at once; the event loop turns in between. */
const pageBytes = 128 * 1024;

/** Rows that are read before they are asked for: those that follow what was sent last. */
interface ReadAhead {
  readonly after: Uint8Array;
  readonly bytesMax: number;
  readonly read: Promise<PartRead<RowsPart>>;
}

/** A snapshot in rows: for a member with another engine, or one that does not take files. */
export class RowsContent implements SnapshotContent {
  readonly base: LogBase;
  readonly totalBytes: number;
  readonly #rows: StateSnapshot;
  /** A chunk at most, so that reading here and storing there need not wait for each other. */
  #ahead: ReadAhead | undefined;
  #closed = false;

  constructor(base: LogBase, rows: StateSnapshot, totalBytes: number) {
    this.base = base;
    this.totalBytes = totalBytes;
    this.#rows = rows;
  }

  /** The rows that are asked for, and begins to read those that will be asked for next if all goes well. */
  async next({ after, bytesMax }: SnapshotChunkRequest): Promise<PartRead<RowsPart>> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    const isNext = ahead !== undefined && ahead.bytesMax === bytesMax && isSameKey(ahead.after, after);
    const found = await (isNext ? ahead.read : this.#read(after, bytesMax));
    const last = found.part.rows.at(-1)?.[0];
    if (!found.done && last !== undefined && !this.#closed) {
      const read = this.#read(last, bytesMax);
      // Seen by whoever asks for these rows; if nobody does, it was told already.
      read.catch(() => {});
      this.#ahead = { after: last, bytesMax, read };
    }
    return found;
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#ahead = undefined;
    return this.#rows.close();
  }

  async #read(after: Uint8Array | null, bytesMax: number): Promise<PartRead<RowsPart>> {
    const rows: SnapshotRow[] = [];
    const part = { type: "rows", rows } as const;
    let bytes = 0;
    try {
      for await (const page of this.#rows.rows(after, Math.max(1, Math.min(pageBytes, bytesMax)))) {
        for (const row of page) {
          bytes += row[0].length + row[1].length;
          rows.push(row);
        }
        if (bytes >= bytesMax) return { part, bytes, done: false };
      }
      return { part, bytes, done: true };
    } catch (error) {
      // Closed under the reading, because nobody seemed to need it any more.
      throw this.#closed ? gone(`at ${this.base.index}`) : error;
    }
  }
}

function isSameKey(key: Uint8Array, other: Uint8Array | null): boolean {
  return other !== null && Buffer.compare(key, other) === 0;
}

/** A snapshot in the files of the engine: for a member with the same one. */
export class FilesContent implements SnapshotContent {
  readonly base: LogBase;
  readonly #files: EngineFiles;
  #closed = false;

  constructor(base: LogBase, files: EngineFiles) {
    this.base = base;
    this.#files = files;
  }

  get totalBytes(): number {
    return this.#files.totalBytes;
  }

  async next({ snapshotId, offset, bytesMax }: SnapshotChunkRequest): Promise<PartRead<FilesPart>> {
    const { totalBytes } = this.#files;
    if (offset > totalBytes) throw new RaftKvError("SNAPSHOT_GONE", `byte ${offset} of ${totalBytes} was asked for`);
    const data = await this.#read(offset, Math.max(1, bytesMax));
    const files = snapshotId === null ? this.#files.files : [];
    return { part: { type: "files", files, data }, bytes: data.length, done: offset + data.length === totalBytes };
  }

  close(): Promise<void> {
    this.#closed = true;
    return this.#files.close();
  }

  async #read(offset: number, bytesMax: number): Promise<Uint8Array> {
    try {
      return await this.#files.read(offset, bytesMax);
    } catch (error) {
      throw this.#closed ? gone(`at ${this.base.index}`) : error;
    }
  }
}
