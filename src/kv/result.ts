import { type BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { CommandFailureReason } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { type StoredPair, valueField } from "./pair.ts";
import { beginMessage, boolField, bytesField, rowWriter, uint64Field } from "./wire.ts";

/** A pair with its key, as results carry it. */
export interface KeyedPair extends StoredPair {
  readonly key: Uint8Array;
}

/** The command was refused; nothing changed. */
export interface Failure {
  readonly kind: "failure";
  readonly reason: CommandFailureReason;
  /** For people: names the thing and the limit. */
  readonly message: string;
}

/** What came of an operation. `previous` is the replaced pair when asked for, or the one that did not match. */
export type OperationResult =
  | { readonly kind: "put"; readonly applied: boolean; readonly previous: KeyedPair | undefined }
  | {
      readonly kind: "delete";
      readonly applied: boolean;
      readonly deleted: boolean;
      readonly previous: KeyedPair | undefined;
    }
  | {
      readonly kind: "increment";
      readonly applied: boolean;
      /** The sum; 0 when not applied. */
      readonly value: bigint;
      readonly previous: KeyedPair | undefined;
    }
  | Failure;

/** A refusal. */
export function failure(reason: CommandFailureReason, message: string): Failure {
  return { kind: "failure", reason, message };
}

/** Encodes a `CommandResult`; `revision` is the store's after the command. */
export function encodeResult(revision: bigint, result: OperationResult): Uint8Array {
  const writer = rowWriter;
  uint64Field(writer, 1, revision);
  switch (result.kind) {
    case "put":
      beginMessage(writer, 2);
      boolField(writer, 1, result.applied);
      pairField(writer, 2, result.previous);
      break;
    case "delete":
      beginMessage(writer, 3);
      boolField(writer, 1, result.applied);
      boolField(writer, 2, result.deleted);
      pairField(writer, 3, result.previous);
      break;
    case "increment":
      beginMessage(writer, 4);
      boolField(writer, 1, result.applied);
      if (result.value !== 0n) writer.tag(2, WireType.Varint).sint64(result.value);
      pairField(writer, 3, result.previous);
      break;
    case "failure":
      beginMessage(writer, 5);
      writer.tag(1, WireType.Varint).int32(result.reason);
      writer.tag(2, WireType.LengthDelimited).string(result.message);
      break;
  }
  return writer.join().finish();
}

function pairField(writer: BinaryWriter, fieldNumber: number, pair: KeyedPair | undefined): void {
  if (pair === undefined) return;
  beginMessage(writer, fieldNumber);
  bytesField(writer, 1, pair.key);
  valueField(writer, 2, pair.value);
  uint64Field(writer, 3, pair.createRevision);
  uint64Field(writer, 4, pair.modRevision);
  uint64Field(writer, 5, pair.version);
  writer.join();
}
