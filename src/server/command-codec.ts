import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  type Command,
  CommandIdSchema,
  type CommandResult,
  CommandResultSchema,
  CommandSchema,
  DeleteCommandSchema,
  IncrementCommandSchema,
  type Pair,
  PutCommandSchema,
  ValueSchema,
} from "../gen/raftkv/storage/v1/storage_pb.ts";
import { type KeyValue, KeyValueSchema, type RequestId } from "../gen/raftkv/v1/common_pb.ts";
import type { DeleteRequest, IncrementRequest, PutRequest } from "../gen/raftkv/v1/kv_service_pb.ts";

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** Value of a request as it is stored; an absent one is an empty text. A binary one is a view, not a copy. */
export function valueBytes(payload: PutRequest["payload"]): Uint8Array {
  if (payload.case === "binaryValue") return payload.value;
  return Buffer.from(payload.value ?? "");
}

/** Encodes a put, the only time that it is encoded; copies what it takes from the request. */
export function encodePut(request: PutRequest, key: Uint8Array, data: Uint8Array): Uint8Array {
  const value = create(ValueSchema, { data, text: request.payload.case !== "binaryValue" });
  const put = create(PutCommandSchema, { key, value, returnPrevious: request.returnPrevious });
  if (request.ifModRevision !== undefined) put.ifModRevision = request.ifModRevision;
  return encode({ case: "put", value: put }, request.requestId);
}

/** Encodes a delete, the only time that it is encoded. */
export function encodeDelete(request: DeleteRequest, key: Uint8Array): Uint8Array {
  const command = create(DeleteCommandSchema, { key, returnPrevious: request.returnPrevious });
  if (request.ifModRevision !== undefined) command.ifModRevision = request.ifModRevision;
  return encode({ case: "delete", value: command }, request.requestId);
}

/** Encodes an increment, the only time that it is encoded; an absent delta is 1. */
export function encodeIncrement(request: IncrementRequest, key: Uint8Array): Uint8Array {
  const delta = request.delta ?? 1n;
  const command = create(IncrementCommandSchema, { key, delta, returnPrevious: request.returnPrevious });
  if (request.ifModRevision !== undefined) command.ifModRevision = request.ifModRevision;
  return encode({ case: "increment", value: command }, request.requestId);
}

/** Decodes what applying a command came to. */
export function decodeResult(result: Uint8Array): CommandResult {
  return fromBinary(CommandResultSchema, result);
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

function encode(command: Command["command"], id: RequestId | undefined): Uint8Array {
  const message = create(CommandSchema, { command });
  if (id !== undefined) {
    const { clientId, sequence, firstPendingSequence } = id;
    message.id = create(CommandIdSchema, { clientId, sequence, firstPendingSequence });
  }
  return toBinary(CommandSchema, message);
}
