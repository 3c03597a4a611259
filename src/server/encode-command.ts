import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import type { RequestId } from "../gen/raftkv/v1/common_pb.ts";
import type { DeleteRequest, IncrementRequest, PutRequest } from "../gen/raftkv/v1/kv_service_pb.ts";

// A command is written field by field, without the messages and buffers that the general encoder makes on the way: on the
// path of every write that is a few microseconds instead of ten. A test holds it against the general decoder.

const { Varint, LengthDelimited } = WireType;

// Encoding never gives up the thread, so one writer, and the buffer that it has grown, serves every call.
const writer = new BinaryWriter();

/** What is taken of every write. */
interface WriteRequest extends Pick<DeleteRequest, "ifModRevision" | "returnPrevious"> {
  readonly requestId?: Pick<RequestId, "clientId" | "sequence" | "firstPendingSequence"> | undefined;
}

/** What is taken of a put beside key and value. */
export interface PutParts extends WriteRequest {
  readonly payload: Pick<PutRequest["payload"], "case">;
}

/** What is taken of an increment beside the key. */
export interface IncrementParts extends WriteRequest, Pick<IncrementRequest, "delta"> {}

/** Encodes a put as raftkv.storage.v1.Command, the only time that it is encoded; copies what it takes. */
export function encodePut(request: PutParts, key: Uint8Array, data: Uint8Array): Uint8Array {
  begin(1);
  writer.tag(1, LengthDelimited).bytes(key);
  writer.tag(2, LengthDelimited).fork();
  writer.tag(1, LengthDelimited).bytes(data);
  if (request.payload.case !== "binaryValue") writer.tag(2, Varint).bool(true);
  writer.join();
  writeCondition(request, 3, 4);
  return finish(request.requestId);
}

/** Encodes a delete as raftkv.storage.v1.Command, the only time that it is encoded. */
export function encodeDelete(request: WriteRequest, key: Uint8Array): Uint8Array {
  begin(2);
  writer.tag(1, LengthDelimited).bytes(key);
  writeCondition(request, 2, 3);
  return finish(request.requestId);
}

/** Encodes an increment as raftkv.storage.v1.Command, the only time that it is encoded; an absent delta is 1. */
export function encodeIncrement(request: IncrementParts, key: Uint8Array): Uint8Array {
  begin(3);
  writer.tag(1, LengthDelimited).bytes(key);
  writer.tag(2, Varint).sint64(request.delta ?? 1n);
  writeCondition(request, 3, 4);
  return finish(request.requestId);
}

/** Opens the command's own field. What an encoding that threw has left behind is dropped. */
function begin(field: number): void {
  writer.finish();
  writer.tag(field, LengthDelimited).fork();
}

function writeCondition(request: WriteRequest, revisionField: number, previousField: number): void {
  if (request.ifModRevision !== undefined) writer.tag(revisionField, Varint).uint64(request.ifModRevision);
  if (request.returnPrevious) writer.tag(previousField, Varint).bool(true);
}

function finish(id: WriteRequest["requestId"]): Uint8Array {
  writer.join();
  if (id !== undefined) {
    writer.tag(15, LengthDelimited).fork();
    writer.tag(1, LengthDelimited).string(id.clientId);
    writer.tag(2, Varint).uint64(id.sequence);
    writer.tag(3, Varint).uint64(id.firstPendingSequence);
    writer.join();
  }
  return writer.finish();
}
