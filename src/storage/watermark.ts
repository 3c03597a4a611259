import { crc32c } from "@node-rs/crc32";
import type { RaftKvError } from "../lib/errors.ts";
import type { Term } from "../raft/entry.ts";
import { damaged } from "./damaged.ts";
import type { LogTail } from "./log-record.ts";
import type { Progress } from "./meta-rows.ts";

/**
 * How far a store was once durable, kept outside the engine: an engine that lost the end of its own log cannot tell.
 * Always true of the disk, and at most a little behind it.
 */
export interface Watermark {
  /** Batches that were durable; see {@link Progress}. */
  readonly writes: number;
  /** Last entry that was durable, with the checksum of its record. */
  readonly tail: LogTail;
  /** Term of the hard state that was durable. */
  readonly hardStateTerm: Term;
}

/** Where the watermark is kept. */
export interface WatermarkFile {
  /** The newest watermark written; `undefined` when there never was one. Rejects with `LOG_CORRUPT` when it is damaged. */
  read(): Promise<Watermark | undefined>;
  /** Replaces the watermark, durably; one call at a time. A crash leaves the old one or the new one. */
  write(watermark: Watermark): Promise<void>;
  /** Waits for nothing; idempotent. */
  close(): Promise<void>;
}

/** What a new store starts with. */
export function initialWatermark(tail: LogTail): Watermark {
  return { writes: 0, tail, hardStateTerm: 0 };
}

/** Throws `LOG_CORRUPT` when a store that was durable to `watermark` holds less now. */
export function checkAgainstWatermark(watermark: Watermark, progress: Progress, hardStateTerm: Term): void {
  const behind = (what: string, was: number, is: number): void => {
    if (is < was) throw lost(`${what} was durable to ${was}, the directory holds only ${is}`);
  };
  behind("the log", watermark.tail.index, progress.tail.index);
  behind("the hard state's term", watermark.hardStateTerm, hardStateTerm);
  behind("the sequence of writes", watermark.writes, progress.writes);
}

/** Throws `LOG_CORRUPT` when the entry at the watermark is another one than was durable. */
export function checkEntryAtWatermark({ tail }: Watermark, found: LogTail): void {
  if (found.term === tail.term && found.checksum === tail.checksum) return;
  throw lost(`entry ${tail.index} was durable with term ${tail.term}, the directory holds another one (${found.term})`);
}

/** What a store that lost something durable is answered with. */
export function lost(what: string): RaftKvError {
  return damaged("LOG_CORRUPT", what);
}

// A slot, numbers big-endian: checksum(4) of everything behind it, format(4), count(8), writes(8), last index(8),
// last term(8), checksum of the last record(4), term of the hard state(8).
const slotFormat = 1;

/** Bytes of an encoded slot. */
export const slotBytes = 52;

/** A watermark with the number of its writing; of two slots the one with the larger count is newer. */
export interface WatermarkSlot {
  readonly count: number;
  readonly watermark: Watermark;
}

/** Encodes one of the file's two slots. */
export function encodeSlot({ count, watermark }: WatermarkSlot): Buffer {
  const slot = Buffer.alloc(slotBytes);
  slot.writeUInt32BE(slotFormat, 4);
  slot.writeBigUInt64BE(BigInt(count), 8);
  slot.writeBigUInt64BE(BigInt(watermark.writes), 16);
  slot.writeBigUInt64BE(BigInt(watermark.tail.index), 24);
  slot.writeBigUInt64BE(BigInt(watermark.tail.term), 32);
  slot.writeUInt32BE(watermark.tail.checksum, 40);
  slot.writeBigUInt64BE(BigInt(watermark.hardStateTerm), 44);
  slot.writeUInt32BE(crc32c(slot.subarray(4)), 0);
  return slot;
}

/** Reverses {@link encodeSlot}; `undefined` when the slot is damaged, torn or was never written. */
export function decodeSlot(slot: Buffer): WatermarkSlot | undefined {
  if (slot.length !== slotBytes || slot.readUInt32BE(0) !== crc32c(slot.subarray(4))) return undefined;
  if (slot.readUInt32BE(4) !== slotFormat) return undefined;
  const number = (offset: number): number => Number(slot.readBigUInt64BE(offset));
  const tail = { index: number(24), term: number(32), checksum: slot.readUInt32BE(40) };
  return { count: number(8), watermark: { writes: number(16), tail, hardStateTerm: number(44) } };
}
