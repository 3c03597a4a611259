import { crc32c } from "@node-rs/crc32";
import { assert, unreachable } from "../lib/assert.ts";
import type { RaftKvError } from "../lib/errors.ts";
import { type Entry, type Index, type LogPosition, numberMax } from "../raft/entry.ts";
import { decodeConfiguration, encodeConfiguration } from "./configuration-codec.ts";
import { damaged } from "./damaged.ts";

// A record, numbers big-endian:
//   0 checksum(4)   CRC-32C of everything behind it
//   4 format(1)  5 kind(1)  6 index(8)  14 term(8)  22 time(8)
//  30 chain(4)      checksum of the record before, so that a hole, a swap or a left-over is noticed
//  34 length(4)  38 payload

const offsets = { checksum: 0, format: 4, kind: 5, index: 6, term: 14, time: 22, chain: 30, length: 34, payload: 38 };
const recordFormat = 1;
const kinds = { noop: 1, command: 2, configuration: 3 } as const;
const noPayload = new Uint8Array(0);

/** Bytes of an entry's payload at most. */
const payloadBytesMax = 64 * 1024 * 1024;

/** End of a chain of records: position of the last one and its checksum. */
export interface LogTail extends LogPosition {
  readonly checksum: number;
}

/**
 * What the first record of a log is chained to: a log of this very directory that holds nothing. A record of another directory
 * does not fit.
 */
export function emptyLog({ dataDirectoryId }: { readonly dataDirectoryId: string }): LogTail {
  return { index: 0, term: 0, checksum: crc32c(dataDirectoryId) };
}

/** Encodes an entry that follows the record with checksum `chain`. */
export function encodeRecord(entry: Entry, chain: number): Buffer {
  const payload = payloadOf(entry);
  assert(payload.length <= payloadBytesMax, () => `entry ${entry.index} has ${payload.length} bytes of payload`);
  const record = Buffer.allocUnsafe(offsets.payload + payload.length);
  record[offsets.format] = recordFormat;
  record[offsets.kind] = kinds[entry.kind];
  writeNumber(record, offsets.index, entry.index);
  writeNumber(record, offsets.term, entry.term);
  writeNumber(record, offsets.time, entry.timeMs);
  record.writeUInt32BE(chain, offsets.chain);
  record.writeUInt32BE(payload.length, offsets.length);
  record.set(payload, offsets.payload);
  record.writeUInt32BE(crc32c(record.subarray(offsets.format)), offsets.checksum);
  return record;
}

/**
 * Checks the record that stands after `before` and gives the tail it makes.
 * Throws `LOG_CORRUPT`, naming the index and what is wrong.
 */
export function checkRecord(bytes: Uint8Array, before: LogTail): LogTail {
  const tail = checkLoneRecord(bytes, before.index + 1);
  if (asBuffer(bytes).readUInt32BE(offsets.chain) !== before.checksum) {
    throw damagedEntry(tail.index, `it does not follow the entry that stands before it (${before.index})`);
  }
  if (tail.term < before.term) {
    throw damagedEntry(tail.index, `its term ${tail.term} is below the term ${before.term} before it`);
  }
  return tail;
}

/** Checks a record by itself, when the one before it is not at hand. Throws `LOG_CORRUPT`. */
export function checkLoneRecord(bytes: Uint8Array, due: Index): LogTail {
  const record = asBuffer(bytes);
  if (record.length < offsets.payload) throw damagedEntry(due, `${record.length} bytes are too few`);
  const checksum = record.readUInt32BE(offsets.checksum);
  if (checksum !== crc32c(record.subarray(offsets.format))) throw damagedEntry(due, "its checksum does not match");
  if (record[offsets.format] !== recordFormat) throw damagedEntry(due, `format ${record[offsets.format]} is unknown`);
  const index = readNumber(record, offsets.index, due);
  if (index !== due) throw damagedEntry(due, `entry ${index} stands in its place`);
  return { index, term: readNumber(record, offsets.term, due), checksum };
}

/** Checksum that the next record carries as its chain. */
export function recordChecksum(record: Buffer): number {
  return record.readUInt32BE(offsets.checksum);
}

/** Whether a checked record holds a configuration. */
export function isConfigurationRecord(bytes: Uint8Array): boolean {
  return bytes[offsets.kind] === kinds.configuration;
}

/** Decodes a record that {@link checkRecord} let pass; a command is a view into `bytes`. Throws `LOG_CORRUPT`. */
export function decodeRecord(bytes: Uint8Array, { index, term }: LogPosition): Entry {
  const record = asBuffer(bytes);
  const payload = record.subarray(offsets.payload);
  if (record.readUInt32BE(offsets.length) !== payload.length) throw damagedEntry(index, "its length does not match");
  const timeMs = readNumber(record, offsets.time, index);
  const kind = record.readUInt8(offsets.kind);
  switch (kind) {
    case kinds.noop:
      return { kind: "noop", index, term, timeMs };
    case kinds.command:
      return { kind: "command", index, term, timeMs, command: payload };
    case kinds.configuration:
      return { kind: "configuration", index, term, timeMs, configuration: readConfiguration(payload, index) };
    default:
      throw damagedEntry(index, `kind ${kind} is unknown`);
  }
}

/** What a damaged or missing entry is answered with. */
export function damagedEntry(index: Index, what: string, cause?: unknown): RaftKvError {
  return damaged("LOG_CORRUPT", `log entry ${index} is damaged: ${what}`, cause);
}

function payloadOf(entry: Entry): Uint8Array {
  switch (entry.kind) {
    case "noop":
      return noPayload;
    case "command":
      return entry.command;
    case "configuration":
      return encodeConfiguration(entry.configuration);
    default:
      return unreachable(entry, "entry kind");
  }
}

function readConfiguration(payload: Uint8Array, index: Index) {
  try {
    return decodeConfiguration(payload);
  } catch (cause) {
    throw damagedEntry(index, "its configuration cannot be decoded", cause);
  }
}

/** Writes an index, a term, a time or a count into 8 bytes, big-endian. */
export function writeNumber(record: Buffer, offset: number, value: number): void {
  assert(Number.isSafeInteger(value) && value >= 0, () => `${value} is no index, term, time or count`);
  record.writeUInt32BE(Math.floor(value / 2 ** 32), offset);
  record.writeUInt32BE(value % 2 ** 32, offset + 4);
}

function readNumber(record: Buffer, offset: number, index: Index): number {
  const value = record.readUInt32BE(offset) * 2 ** 32 + record.readUInt32BE(offset + 4);
  if (value > numberMax) throw damagedEntry(index, `a number in it is beyond ${numberMax}`);
  return value;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
