import { BinaryReader, type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { BrokenStateError } from "./state-rows.ts";
import { beginMessage, boolField, bytesField, rowWriter, uint64Field } from "./wire.ts";

/** A value and the form it was written in. */
export interface StoredValue {
  readonly data: Uint8Array;
  /** Whether it was written as text. */
  readonly text: boolean;
}

/** A pair without its key. */
export interface StoredPair {
  /** `data` may be a view of the row it was read from. */
  readonly value: StoredValue;
  /** Revision that created the key. */
  readonly createRevision: bigint;
  /** Revision that last changed it. */
  readonly modRevision: bigint;
  /** Writes since it was created, from 1. */
  readonly version: bigint;
}

const noBytes = new Uint8Array(0);

/** Encodes the row of a pair, a `PairRow`. */
export function encodePairRow(pair: StoredPair): Uint8Array {
  valueField(rowWriter, 1, pair.value);
  uint64Field(rowWriter, 2, pair.createRevision);
  uint64Field(rowWriter, 3, pair.modRevision);
  uint64Field(rowWriter, 4, pair.version);
  return rowWriter.finish();
}

/** Writes a `Value` field. */
export function valueField(writer: BinaryWriter, fieldNumber: number, value: StoredValue): void {
  beginMessage(writer, fieldNumber);
  bytesField(writer, 1, value.data);
  boolField(writer, 2, value.text);
  writer.join();
}

/** Decodes the row of a pair. Throws {@link BrokenStateError} when the row is no `PairRow` of this version. */
export function decodePairRow(row: Uint8Array): StoredPair {
  const reader = new BinaryReader(row);
  let value: StoredValue = { data: noBytes, text: false };
  let createRevision = 0n;
  let modRevision = 0n;
  let version = 0n;
  while (reader.pos < reader.len) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1 && wireType === WireType.LengthDelimited) value = readValueRow(reader);
    else if (fieldNumber === 2 && wireType === WireType.Varint) createRevision = BigInt(reader.uint64());
    else if (fieldNumber === 3 && wireType === WireType.Varint) modRevision = BigInt(reader.uint64());
    else if (fieldNumber === 4 && wireType === WireType.Varint) version = BigInt(reader.uint64());
    else throw new BrokenStateError(`row of a pair has the unknown field ${fieldNumber} of wire type ${wireType}`);
  }
  return { value, createRevision, modRevision, version };
}

function readValueRow(reader: BinaryReader): StoredValue {
  const end = reader.uint32() + reader.pos;
  return readValue(reader, end, (fieldNumber, wireType) => {
    return new BrokenStateError(`value of a pair has the unknown field ${fieldNumber} of wire type ${wireType}`);
  });
}

/** Reads the fields of a `Value` that ends at `end`; throws what `unknown` gives for one that this version does not know. */
export function readValue(
  reader: BinaryReader,
  end: number,
  unknown: (fieldNumber: number, wireType: WireType) => Error,
): StoredValue {
  let data: Uint8Array = noBytes;
  let text = false;
  while (reader.pos < end) {
    const [fieldNumber, wireType] = reader.tag();
    if (fieldNumber === 1 && wireType === WireType.LengthDelimited) data = reader.bytes();
    else if (fieldNumber === 2 && wireType === WireType.Varint) text = reader.bool();
    else throw unknown(fieldNumber, wireType);
  }
  return { data, text };
}
