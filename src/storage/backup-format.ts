import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { crc32c } from "@node-rs/crc32";
import { BackupHeaderSchema, BackupTrailerSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import type { LogBase } from "../raft/log-base.ts";
import { logBaseFromMessage, logBaseToMessage } from "./base-row.ts";
import type { Row } from "./storage-engine.ts";

// A backup file, numbers big-endian:
//
//   magic(8)  header frame  rows frame ...  trailer frame
//
// A frame:      checksum(4) of everything behind it, kind(1), length(4), payload
// Rows payload: rows in byte order of their keys, each as key length(4), value length(4), key, value

/** First bytes of every backup. */
export const backupMagic = Buffer.from("RAFTKVBK", "latin1");

/** Version of the format that is written, and the only one that is read. */
export const backupFormatVersion = 1;

/** Bytes before a frame's payload. */
export const frameHeadBytes = 9;

/** Bytes of a payload at most: rows enough for one read of the store, or one row of any size that a store takes. */
export const framePayloadBytesMax = 80 * 1024 * 1024;

/** What a frame holds. */
export const frameKinds = { header: 1, rows: 2, trailer: 3 } as const;

/** What a backup is of. */
export interface BackupFacts {
  /** Cluster that it was taken from. */
  readonly clusterId: string;
  readonly memberName: string;
  /** Of raftkv. */
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  readonly base: LogBase;
  /** Store revision of the state. */
  readonly revision: number;
}

/** How much a backup holds. */
export interface BackupTotals {
  readonly rows: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
}

/** A whole frame. */
export function encodeFrame(kind: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeadBytes + payload.length);
  frame[4] = kind;
  frame.writeUInt32BE(payload.length, 5);
  frame.set(payload, frameHeadBytes);
  frame.writeUInt32BE(crc32c(frame.subarray(4)), 0);
  return frame;
}

/** Payload of the header frame. */
export function encodeHeader(facts: BackupFacts): Uint8Array {
  const { clusterId, memberName, version, base } = facts;
  const message = { clusterId, memberName, version, formatVersion: backupFormatVersion, base: logBaseToMessage(base) };
  const numbers = { timeMs: BigInt(Math.round(facts.timeMs)), revision: BigInt(facts.revision) };
  return toBinary(BackupHeaderSchema, create(BackupHeaderSchema, { ...message, ...numbers }));
}

/** Reverses {@link encodeHeader}. Throws `FORMAT_UNSUPPORTED`, `STATE_CORRUPT` or what decoding throws. */
export function decodeHeader(payload: Uint8Array): BackupFacts {
  const { formatVersion, clusterId, memberName, version, timeMs, base, revision } = fromBinary(
    BackupHeaderSchema,
    payload,
  );
  if (formatVersion !== backupFormatVersion) {
    throw new RaftKvError(
      "FORMAT_UNSUPPORTED",
      `the backup has format ${formatVersion}; this version reads format ${backupFormatVersion}`,
    );
  }
  return {
    clusterId,
    memberName,
    version,
    timeMs: toSafeNumber(timeMs, "time of the backup"),
    base: logBaseFromMessage(base, "header of the backup"),
    revision: toSafeNumber(revision, "revision of the backup"),
  };
}

/** Payload of a rows frame. */
export function encodeRows(rows: readonly Row[]): Buffer {
  let size = 0;
  for (const [key, value] of rows) size += 8 + key.length + value.length;
  const payload = Buffer.allocUnsafe(size);
  let at = 0;
  for (const [key, value] of rows) {
    payload.writeUInt32BE(key.length, at);
    payload.writeUInt32BE(value.length, at + 4);
    payload.set(key, at + 8);
    payload.set(value, at + 8 + key.length);
    at += 8 + key.length + value.length;
  }
  return payload;
}

/** Reverses {@link encodeRows}; rows are views. Throws a RangeError when the lengths do not fit. */
export function decodeRows(payload: Buffer): Row[] {
  const rows: Row[] = [];
  for (let at = 0; at < payload.length; ) {
    const keyAt = at + 8;
    const valueAt = keyAt + payload.readUInt32BE(at);
    const end = valueAt + payload.readUInt32BE(at + 4);
    if (end > payload.length) throw new RangeError(`a row ends at ${end} of ${payload.length} bytes`);
    rows.push([payload.subarray(keyAt, valueAt), payload.subarray(valueAt, end)]);
    at = end;
  }
  return rows;
}

/** Payload of the trailer frame. */
export function encodeTrailer({ rows, bytes }: BackupTotals, sha256: Uint8Array): Uint8Array {
  const message = { rows: BigInt(rows), sizeBytes: BigInt(bytes), sha256 };
  return toBinary(BackupTrailerSchema, create(BackupTrailerSchema, message));
}

/** Reverses {@link encodeTrailer}. Throws what decoding throws. */
export function decodeTrailer(payload: Uint8Array): BackupTotals & { readonly sha256: Uint8Array } {
  const { rows, sizeBytes, sha256 } = fromBinary(BackupTrailerSchema, payload);
  return {
    rows: toSafeNumber(rows, "rows of the backup"),
    bytes: toSafeNumber(sizeBytes, "bytes of the backup"),
    sha256,
  };
}
