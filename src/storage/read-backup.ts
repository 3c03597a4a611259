import { createHash, type Hash } from "node:crypto";
import { crc32c } from "@node-rs/crc32";
import { RaftKvError } from "../lib/errors.ts";
import { RowHash } from "../lib/row-hash.ts";
import {
  type BackupFacts,
  type BackupTotals,
  backupMagic,
  decodeHeader,
  decodeRows,
  decodeTrailer,
  frameHeadBytes,
  frameKinds,
  framePayloadBytesMax,
} from "./backup-format.ts";
import type { Row } from "./storage-engine.ts";

/** Who reads a backup. */
export interface BackupListener {
  /** The header; it is checked by itself, the rest of the file is not yet. */
  header?(facts: BackupFacts): Promise<void>;
  /** The next rows, in byte order. */
  rows?(rows: readonly Row[]): Promise<void>;
  /** Bytes of the file read so far. */
  progress?(bytes: number): void;
}

/** A backup that was read to its end and is whole. */
export interface ReadBackup {
  readonly facts: BackupFacts;
  readonly totals: BackupTotals;
  /** Of the file but its last frame, in hexadecimal: what tells backups apart. */
  readonly sha256: string;
  /** Of the rows: what `GetHash` tells of a member with this state. */
  readonly stateHash: string;
}

/**
 * Reads a backup from its pieces and checks all of it: every frame's checksum, order and number of rows, and the SHA-256 over
 * the whole.
 *
 * Rejects with `BACKUP_CORRUPT`, telling at which byte, or that the member which it is of had no state, and with
 * `FORMAT_UNSUPPORTED`; what the listener was given up to then counts for nothing.
 */
export async function readBackup(
  pieces: AsyncIterable<Uint8Array>,
  listener: BackupListener = {},
): Promise<ReadBackup> {
  const reader = new BackupReader(listener);
  for await (const piece of pieces) {
    await reader.take(piece);
    listener.progress?.(reader.received);
  }
  return reader.end();
}

const withoutState =
  "the backup holds no state: the member that it is of had applied nothing yet; save one of another member";

/** What is wrong with a backup, and where. */
function corrupt(offset: number, what: string, cause?: unknown): RaftKvError {
  return new RaftKvError("BACKUP_CORRUPT", `the backup is damaged at byte ${offset}: ${what}`, { cause });
}

class BackupReader {
  readonly #listener: BackupListener;
  readonly #hash: Hash = createHash("sha256");
  #waiting: Buffer = Buffer.alloc(0);
  /** What comes behind `#waiting`. */
  #arrived: Buffer[] = [];
  #arrivedBytes = 0;
  /** Bytes with which the next step can be taken. */
  #due: number = backupMagic.length;
  /** Bytes before `#waiting`. */
  #offset = 0;
  #magicSeen = false;
  #facts: BackupFacts | undefined;
  readonly #state = new RowHash();
  #lastKey: Uint8Array | undefined;
  /** Once the last frame was found right. */
  #whole: Omit<ReadBackup, "facts"> | undefined;

  constructor(listener: BackupListener) {
    this.#listener = listener;
  }

  get received(): number {
    return this.#offset + this.#waiting.length + this.#arrivedBytes;
  }

  async take(piece: Uint8Array): Promise<void> {
    this.#arrived.push(Buffer.from(piece));
    this.#arrivedBytes += piece.length;
    // Put together when a frame is whole: with every piece a long frame would be copied again and again.
    if (this.#waiting.length + this.#arrivedBytes < this.#due) return;
    this.#waiting = Buffer.concat([this.#waiting, ...this.#arrived]);
    this.#arrived = [];
    this.#arrivedBytes = 0;
    if (!this.#magicSeen) this.#takeMagic();
    for (let frame = this.#nextFrame(); frame !== undefined; frame = this.#nextFrame()) {
      await this.#takeFrame(frame);
      if (frame[4] !== frameKinds.trailer) this.#hash.update(frame);
      this.#offset += frame.length;
      this.#waiting = this.#waiting.subarray(frame.length);
    }
  }

  end(): ReadBackup {
    if (this.#waiting.length + this.#arrivedBytes > 0 || this.#whole === undefined || this.#facts === undefined) {
      throw corrupt(this.received, "it ends before its last frame is whole");
    }
    return { facts: this.#facts, ...this.#whole };
  }

  #takeMagic(): void {
    const magic = this.#waiting.subarray(0, backupMagic.length);
    if (!magic.equals(backupMagic)) throw corrupt(0, "it does not begin as a backup does");
    this.#magicSeen = true;
    this.#hash.update(magic);
    this.#offset = magic.length;
    this.#waiting = this.#waiting.subarray(magic.length);
  }

  /** The next whole frame, checked; `undefined` while it has not arrived. */
  #nextFrame(): Buffer | undefined {
    this.#due = frameHeadBytes;
    if (this.#waiting.length < this.#due) return undefined;
    const length = this.#waiting.readUInt32BE(5);
    if (length > framePayloadBytesMax) throw corrupt(this.#offset, `a frame of ${length} bytes is too long`);
    this.#due = frameHeadBytes + length;
    if (this.#waiting.length < this.#due) return undefined;
    const frame = this.#waiting.subarray(0, this.#due);
    if (frame.readUInt32BE(0) !== crc32c(frame.subarray(4))) throw corrupt(this.#offset, "a checksum does not match");
    return frame;
  }

  async #takeFrame(frame: Buffer): Promise<void> {
    const payload = frame.subarray(frameHeadBytes);
    const kind = frame[4];
    if (this.#whole !== undefined) throw corrupt(this.#offset, "something follows its last frame");
    if (this.#facts === undefined) {
      if (kind !== frameKinds.header) throw corrupt(this.#offset, "the header is missing");
      this.#facts = this.#decoded(() => decodeHeader(payload));
      if (this.#facts.base.index === 0) throw new RaftKvError("BACKUP_CORRUPT", withoutState);
      await this.#listener.header?.(this.#facts);
    } else if (kind === frameKinds.rows) {
      await this.#takeRows(this.#decoded(() => decodeRows(payload)));
    } else if (kind === frameKinds.trailer) {
      this.#takeTrailer(this.#decoded(() => decodeTrailer(payload)));
    } else {
      throw corrupt(this.#offset, `a frame of kind ${kind} is out of place`);
    }
  }

  async #takeRows(rows: readonly Row[]): Promise<void> {
    for (const [key] of rows) {
      if (this.#lastKey !== undefined && Buffer.compare(this.#lastKey, key) >= 0) {
        throw corrupt(this.#offset, "rows are out of order");
      }
      this.#lastKey = key;
    }
    this.#state.add(rows);
    await this.#listener.rows?.(rows);
  }

  #takeTrailer({ rows, bytes, sha256 }: BackupTotals & { readonly sha256: Uint8Array }): void {
    const file = this.#hash.digest();
    if (!file.equals(sha256)) throw corrupt(this.#offset, "the SHA-256 of everything before does not match");
    const { hash: stateHash, ...totals } = this.#state.digest();
    if (rows !== totals.rows || bytes !== totals.bytes) {
      const found = `${totals.rows} rows of ${totals.bytes} bytes`;
      throw corrupt(this.#offset, `it has ${found}, and should have ${rows} of ${bytes}`);
    }
    this.#whole = { totals, sha256: file.toString("hex"), stateHash };
  }

  #decoded<T>(decode: () => T): T {
    try {
      return decode();
    } catch (error) {
      if (error instanceof RaftKvError && error.code === "FORMAT_UNSUPPORTED") throw error;
      throw corrupt(this.#offset, "a frame cannot be decoded", error);
    }
  }
}
