import { create, fromBinary } from "@bufbuild/protobuf";
import { type CommandResult, CommandResultSchema, type Pair } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { type KeyValue, KeyValueSchema } from "../gen/raftkv/v1/common_pb.ts";
import type { PutRequest } from "../gen/raftkv/v1/kv_service_pb.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

const readOptions = { readUnknownFields: false };

/** Value of a request as it is stored; an absent one is an empty text. A binary one is a view, not a copy. */
export function valueBytes(payload: PutRequest["payload"]): Uint8Array {
  if (payload.case === "binaryValue") return payload.value;
  return Buffer.from(payload.value ?? "");
}

/** Decodes what applying a command came to. */
export function decodeResult(result: Uint8Array): CommandResult {
  return fromBinary(CommandResultSchema, result, readOptions);
}

/** A pair as clients see it, its value in the arm in which it was written. */
export function keyValue(pair: Pair): KeyValue {
  const data = pair.value?.data ?? new Uint8Array(0);
  return create(KeyValueSchema, {
    key: utf8.decode(pair.key),
    payload: pair.value?.text ? { case: "value", value: utf8.decode(data) } : { case: "binaryValue", value: data },
    createRevision: pair.createRevision,
    modRevision: pair.modRevision,
    version: pair.version,
  });
}
