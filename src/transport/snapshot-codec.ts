import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { crc32c } from "@node-rs/crc32";
import {
  FetchSnapshotChunkRequestSchema,
  FetchSnapshotChunkResponseSchema,
  type SnapshotChunk as SnapshotChunkMessage,
  SnapshotChunkSchema,
  SnapshotRowSchema,
} from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { configurationFromMessage, configurationToMessage } from "../storage/configuration-codec.ts";
import { checkSnapshotAnswer } from "./check-snapshot-answer.ts";
import type { WireHello } from "./message-encoder.ts";
import type { FilesPart, RowsPart, SnapshotChunk, SnapshotChunkRequest, SnapshotRow } from "./snapshot-transfer.ts";
import { tagOf, varintSize, writeVarint } from "./varint.ts";

// Rows, and bytes of files, are nearly all of a chunk: they are written straight into the array that is sent, so that each byte
// is copied once. Everything else goes through the library. The decoder is the library's for both, and copies nothing.

const rowsTag = tagOf(SnapshotChunkSchema.field.rows.number, WireType.LengthDelimited);
const keyTag = tagOf(SnapshotRowSchema.field.key.number, WireType.LengthDelimited);
const valueTag = tagOf(SnapshotRowSchema.field.value.number, WireType.LengthDelimited);
const dataTag = tagOf(SnapshotChunkSchema.field.data.number, WireType.LengthDelimited);
const chunkTag = tagOf(FetchSnapshotChunkResponseSchema.field.chunk.number, WireType.LengthDelimited);
const checksumTag = tagOf(FetchSnapshotChunkResponseSchema.field.checksum.number, WireType.Bit32);

/** Longest name of an engine that is taken, bytes. */
const engineBytesMax = 64;

/** A request for a part of a snapshot, with who asks. */
export interface SnapshotCall {
  readonly hello: WireHello;
  readonly request: SnapshotChunkRequest;
}

/** An encoded FetchSnapshotChunkRequest. */
export function encodeSnapshotCall({ hello, request }: SnapshotCall): Uint8Array {
  const { snapshotId, minIndex, engine, after, offset, bytesMax } = request;
  return toBinary(
    FetchSnapshotChunkRequestSchema,
    create(FetchSnapshotChunkRequestSchema, {
      hello: { $typeName: "raftkv.raft.v1.Hello", ...hello },
      minIndex: BigInt(minIndex),
      bytesMax,
      offset: BigInt(offset),
      ...(snapshotId !== null && { snapshotId }),
      ...(engine !== null && { engine }),
      ...(after !== null && { after }),
    }),
  );
}

/** Reverses {@link encodeSnapshotCall}. Throws `PEER_REFUSED` or `NUMBER_OUT_OF_RANGE`. */
export function decodeSnapshotCall(bytes: Uint8Array): SnapshotCall {
  const message = decode("FetchSnapshotChunkRequest", bytes, () =>
    fromBinary(FetchSnapshotChunkRequestSchema, bytes, { readUnknownFields: false }),
  );
  if (message.hello === undefined) throw refused("FetchSnapshotChunkRequest.hello is missing");
  const engine = message.engine ?? null;
  if (engine !== null && Buffer.byteLength(engine) > engineBytesMax) {
    throw refused(`FetchSnapshotChunkRequest.engine is longer than ${engineBytesMax} bytes`);
  }
  const { $typeName, $unknown, ...hello } = message.hello;
  const request = {
    snapshotId: message.snapshotId ?? null,
    minIndex: toSafeNumber(message.minIndex, "FetchSnapshotChunkRequest.min_index"),
    engine,
    after: message.after ?? null,
    offset: toSafeNumber(message.offset, "FetchSnapshotChunkRequest.offset"),
    bytesMax: message.bytesMax,
  };
  return { hello, request };
}

/** An encoded FetchSnapshotChunkResponse, written into one array. */
export function encodeSnapshotChunk({ snapshotId, base, part, done, totalBytes }: SnapshotChunk): Uint8Array {
  const head = toBinary(
    SnapshotChunkSchema,
    create(SnapshotChunkSchema, {
      snapshotId,
      index: BigInt(base.index),
      term: BigInt(base.term),
      configurationIndex: BigInt(base.configuration.index),
      configuration: configurationToMessage(base.configuration.configuration),
      done,
      totalBytes: BigInt(totalBytes),
      ...(part.type === "files" && { files: part.files.map(({ name, size }) => ({ name, size: BigInt(size) })) }),
    }),
  );
  const chunkBytes = head.length + partBytes(part);
  const checksumAt = 1 + lengthAndBytes(chunkBytes);
  const bytes = Buffer.allocUnsafe(checksumAt + 1 + 4);
  bytes[0] = chunkTag;
  const chunkAt = writeVarint(bytes, 1, chunkBytes);
  bytes.set(head, chunkAt);
  const partAt = chunkAt + head.length;
  if (part.type === "rows") writeRows(bytes, partAt, part.rows);
  else writeField(bytes, partAt, dataTag, part.data);
  bytes[checksumAt] = checksumTag;
  bytes.writeUInt32LE(crc32c(bytes.subarray(chunkAt, checksumAt)), checksumAt + 1);
  return bytes;
}

/** Bytes of the rows or the data, with their tags. */
function partBytes(part: RowsPart | FilesPart): number {
  if (part.type === "files") return 1 + lengthAndBytes(part.data.length);
  return part.rows.reduce((sum, row) => sum + 1 + lengthAndBytes(rowBytes(row)), 0);
}

function writeRows(bytes: Uint8Array, start: number, rows: readonly SnapshotRow[]): void {
  let at = start;
  for (const row of rows) {
    bytes[at++] = rowsTag;
    at = writeVarint(bytes, at, rowBytes(row));
    at = writeField(bytes, at, keyTag, row[0]);
    at = writeField(bytes, at, valueTag, row[1]);
  }
}

/** Writes a field of bytes, and returns the offset behind it. */
function writeField(bytes: Uint8Array, at: number, tag: number, value: Uint8Array): number {
  bytes[at] = tag;
  const valueAt = writeVarint(bytes, at + 1, value.length);
  bytes.set(value, valueAt);
  return valueAt + value.length;
}

function rowBytes([key, value]: SnapshotRow): number {
  return 2 + lengthAndBytes(key.length) + lengthAndBytes(value.length);
}

function lengthAndBytes(length: number): number {
  return varintSize(length) + length;
}

/**
 * Reverses {@link encodeSnapshotChunk}; rows and data are views into `bytes`. Throws `PEER_REFUSED` or `NUMBER_OUT_OF_RANGE` when
 * it is damaged, or no answer to `request`.
 */
export function decodeSnapshotChunk(bytes: Uint8Array, request: SnapshotChunkRequest): SnapshotChunk {
  const { chunk, checksum } = decode("FetchSnapshotChunkResponse", bytes, () =>
    fromBinary(FetchSnapshotChunkResponseSchema, bytes, { readUnknownFields: false }),
  );
  if (crc32c(chunk) !== checksum) throw refused(`a chunk of ${chunk.length} bytes does not match its checksum`);
  const message = decode("SnapshotChunk", chunk, () =>
    fromBinary(SnapshotChunkSchema, chunk, { readUnknownFields: false }),
  );
  const { configuration } = message;
  if (configuration === undefined) throw refused("SnapshotChunk.configuration is missing");
  const decoded: SnapshotChunk = {
    snapshotId: message.snapshotId,
    base: {
      index: toSafeNumber(message.index, "SnapshotChunk.index"),
      term: toSafeNumber(message.term, "SnapshotChunk.term"),
      configuration: {
        index: toSafeNumber(message.configurationIndex, "SnapshotChunk.configuration_index"),
        configuration: decode("SnapshotChunk.configuration", chunk, () => configurationFromMessage(configuration)),
      },
    },
    part: partOf(message),
    done: message.done,
    totalBytes: toSafeNumber(message.totalBytes, "SnapshotChunk.total_bytes"),
  };
  checkSnapshotAnswer(decoded, request);
  return decoded;
}

function partOf({ rows, files, data }: SnapshotChunkMessage): RowsPart | FilesPart {
  if (data === undefined) {
    if (files.length > 0) throw refused("SnapshotChunk.files is set without data");
    return { type: "rows", rows: rows.map(({ key, value }) => [key, value]) };
  }
  if (rows.length > 0) throw refused("SnapshotChunk.rows and data are both set");
  const named = files.map(({ name, size }) => ({ name, size: toSafeNumber(size, "SnapshotChunk.files.size") }));
  return { type: "files", files: named, data };
}

function decode<Message>(what: string, bytes: Uint8Array, read: () => Message): Message {
  try {
    return read();
  } catch (cause) {
    throw new RaftKvError("PEER_REFUSED", `${bytes.length} bytes are no ${what}`, { cause });
  }
}

function refused(what: string): RaftKvError {
  return new RaftKvError("PEER_REFUSED", what);
}
