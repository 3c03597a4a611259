import type { MethodDefinition } from "@grpc/grpc-js";
import { RaftService } from "../gen/raftkv/raft/v1/raft_service_pb.ts";

const asIs = (bytes: Buffer): Buffer => bytes;

/** `RaftService.FetchSnapshotChunk` as grpc-js wants it, with messages as bytes (see deliver-method.ts). */
export const snapshotMethod: MethodDefinition<Buffer, Buffer> = {
  path: `/${RaftService.typeName}/${RaftService.method.fetchSnapshotChunk.name}`,
  requestStream: false,
  responseStream: false,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
};
