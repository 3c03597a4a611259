import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { crc32c } from "@node-rs/crc32";
import {
  FetchSnapshotChunkRequestSchema,
  FetchSnapshotChunkResponseSchema,
  SnapshotChunkSchema,
  SnapshotRowSchema,
} from "../gen/raftkv/raft/v1/raft_service_pb.ts";
import { RaftKvError } from "../lib/errors.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { configurationFromMessage, configurationToMessage } from "../storage/configuration-codec.ts";
import type { WireHello } from "./message-encoder.ts";
import type { SnapshotChunk, SnapshotChunkRequest, SnapshotRow } from "./snapshot-transfer.ts";
import { tagOf, varintSize, writeVarint } from "./varint.ts";

const rowsTag = tagOf(SnapshotChunkSchema.field.rows.number, WireType.LengthDelimited);
const keyTag = tagOf(SnapshotRowSchema.field.key.number, WireType.LengthDelimited);
const valueTag = tagOf(SnapshotRowSchema.field.value.number, WireType.LengthDelimited);
const chunkTag = tagOf(FetchSnapshotChunkResponseSchema.field.chunk.number, WireType.LengthDelimited);
const checksumTag = tagOf(FetchSnapshotChunkResponseSchema.field.checksum.number, WireType.Bit32);

/** A request for rows, with who asks. */
export interface SnapshotCall {
  readonly hello: WireHello;
  readonly request: SnapshotChunkRequest;
}

/** An encoded FetchSnapshotChunkRequest. */
export function encodeSnapshotCall({ hello, request }: SnapshotCall): Uint8Array {
  const { snapshotId, minIndex, after, bytesMax } = request;
  return toBinary(
    FetchSnapshotChunkRequestSchema,
    create(FetchSnapshotChunkRequestSchema, {
      hello: { $typeName: "raftkv.raft.v1.Hello", ...hello },
      minIndex: BigInt(minIndex),
      bytesMax,
      ...(snapshotId !== null && { snapshotId }),
      ...(after !== null && { after }),
    }),
  );
}

/** Reverses {@link encodeSnapshotCall}. Throws `PEER_REFUSED` or `NUMBER_OUT_OF_RANGE`. */
export function decodeSnapshotCall(bytes: Uint8Array): SnapshotCall {
  const { hello, snapshotId, minIndex, after, bytesMax } = decode("FetchSnapshotChunkRequest", bytes, () =>
    fromBinary(FetchSnapshotChunkRequestSchema, bytes, { readUnknownFields: false }),
  );
  if (hello === undefined) throw refused("FetchSnapshotChunkRequest.hello is missing");
  const { $typeName, $unknown, ...fields } = hello;
  const request = {
    snapshotId: snapshotId ?? null,
    minIndex: toSafeNumber(minIndex, "FetchSnapshotChunkRequest.min_index"),
    after: after ?? null,
    bytesMax,
  };
  return { hello: fields, request };
}

/** An encoded FetchSnapshotChunkResponse, written into one array. */
export function encodeSnapshotChunk({ snapshotId, base, rows, done, totalBytes }: SnapshotChunk): Uint8Array {
  const head = toBinary(SnapshotChunkSchema, {
    $typeName: "raftkv.raft.v1.SnapshotChunk",
    snapshotId,
    index: BigInt(base.index),
    term: BigInt(base.term),
    configurationIndex: BigInt(base.configuration.index),
    configuration: configurationToMessage(base.configuration.configuration),
    rows: [],
    done,
    totalBytes: BigInt(totalBytes),
  });
  const chunkBytes = rows.reduce((sum, row) => sum + 1 + lengthAndBytes(rowBytes(row)), head.length);
  const checksumAt = 1 + lengthAndBytes(chunkBytes);
  const bytes = Buffer.allocUnsafe(checksumAt + 1 + 4);
  bytes[0] = chunkTag;
  const chunkAt = writeVarint(bytes, 1, chunkBytes);
  bytes.set(head, chunkAt);
  writeRows(bytes, chunkAt + head.length, rows);
  bytes[checksumAt] = checksumTag;
  bytes.writeUInt32LE(crc32c(bytes.subarray(chunkAt, checksumAt)), checksumAt + 1);
  return bytes;
}

function writeRows(bytes: Uint8Array, start: number, rows: readonly SnapshotRow[]): void {
  let at = start;
  for (const row of rows) {
    bytes[at++] = rowsTag;
    at = writeVarint(bytes, at, rowBytes(row));
    for (const [part, tag] of [
      [row[0], keyTag],
      [row[1], valueTag],
    ] as const) {
      bytes[at++] = tag;
      at = writeVarint(bytes, at, part.length);
      bytes.set(part, at);
      at += part.length;
    }
  }
}

function rowBytes([key, value]: SnapshotRow): number {
  return 2 + lengthAndBytes(key.length) + lengthAndBytes(value.length);
}

function lengthAndBytes(length: number): number {
  return varintSize(length) + length;
}

/**
 * Reverses {@link encodeSnapshotChunk}; the rows are views into `bytes`. Throws `PEER_REFUSED` or `NUMBER_OUT_OF_RANGE` when
 * it is damaged, or no answer to `request`.
 */
export function decodeSnapshotChunk(bytes: Uint8Array, request: SnapshotChunkRequest): SnapshotChunk {
  const { chunk, checksum } = decode("FetchSnapshotChunkResponse", bytes, () =>
    fromBinary(FetchSnapshotChunkResponseSchema, bytes, { readUnknownFields: false }),
  );
  if (crc32c(chunk) !== checksum) throw refused(`a chunk of ${chunk.length} bytes does not match its checksum`);
  const { configuration, ...wire } = decode("SnapshotChunk", chunk, () =>
    fromBinary(SnapshotChunkSchema, chunk, { readUnknownFields: false }),
  );
  if (configuration === undefined) throw refused("SnapshotChunk.configuration is missing");
  const decoded: SnapshotChunk = {
    snapshotId: wire.snapshotId,
    base: {
      index: toSafeNumber(wire.index, "SnapshotChunk.index"),
      term: toSafeNumber(wire.term, "SnapshotChunk.term"),
      configuration: {
        index: toSafeNumber(wire.configurationIndex, "SnapshotChunk.configuration_index"),
        configuration: decode("SnapshotChunk.configuration", chunk, () => configurationFromMessage(configuration)),
      },
    },
    rows: wire.rows.map(({ key, value }) => [key, value]),
    done: wire.done,
    totalBytes: toSafeNumber(wire.totalBytes, "SnapshotChunk.total_bytes"),
  };
  checkAnswers(decoded, request);
  return decoded;
}

function checkAnswers({ snapshotId, base, rows, done }: SnapshotChunk, request: SnapshotChunkRequest): void {
  if (snapshotId === "") throw refused("SnapshotChunk.snapshot_id is missing");
  if (request.snapshotId !== null && snapshotId !== request.snapshotId) {
    throw refused(`SnapshotChunk.snapshot_id is "${snapshotId}", asked for "${request.snapshotId}"`);
  }
  if (base.index < request.minIndex) {
    throw refused(`SnapshotChunk.index is ${base.index}, asked for ${request.minIndex} or later`);
  }
  if (base.configuration.index > base.index) throw refused("SnapshotChunk.configuration_index is beyond its index");
  if (rows.length === 0 && !done) throw refused("SnapshotChunk.rows is empty before the end");
  let last = request.after;
  for (const [key] of rows) {
    if (last !== null && Buffer.compare(key, last) <= 0) throw refused("SnapshotChunk.rows are out of order");
    last = key;
  }
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
