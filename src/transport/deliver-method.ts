import type { MethodDefinition } from "@grpc/grpc-js";
import { RaftService } from "../gen/raftkv/raft/v1/raft_service_pb.ts";

const asIs = (frame: Buffer): Buffer => frame;

/**
 * `RaftService.Deliver` as grpc-js wants it, with frames as bytes: they are encoded and decoded outside of grpc-js, which
 * would hide what is wrong with a frame behind its own error.
 */
export const deliverMethod: MethodDefinition<Buffer, Buffer> = {
  path: `/${RaftService.typeName}/${RaftService.method.deliver.name}`,
  requestStream: true,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};

/** An encoded `DeliverResponse`. */
export const emptyResponse = Buffer.alloc(0);

/** The bytes as the Buffer that grpc-js wants, not copied. */
export function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
