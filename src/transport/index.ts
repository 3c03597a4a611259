// What `raftkv/transport` exports: links between embedded replicas, over gRPC or inside one process (docs/embedding.md).

export { GrpcPeerTransport } from "./grpc-peer-transport.ts";
export { createInProcessNetwork, type InProcessNetwork } from "./in-process-network.ts";
export type { PeerMessage, PeerTransport, PeerTransportHandlers } from "./peer-transport.ts";
export type { FilesPart, RowsPart, SnapshotChunk, SnapshotChunkRequest, SnapshotRow } from "./snapshot-transfer.ts";
export type { TransportIdentity } from "./transport-options.ts";
