import type { ChannelCredentials, ServerCredentials } from "@grpc/grpc-js";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";

/** Wire version that this build speaks; peers with another one are refused. */
export const protocolVersion = 1;

/** Who this member is, as it introduces itself to its peers. */
export interface TransportIdentity {
  readonly clusterId: string;
  readonly memberId: MemberId;
  readonly name: string;
  readonly dataDirectoryId: string;
  readonly clientAddress: string;
  /** HOST:PORT at which members reach it. Default: none, as in one process. */
  readonly peerAddress?: string;
}

/** Limits and times of the peer links. */
export interface TransportLimits {
  /** Bytes (estimated) that wait for one peer; over it the queue is dropped. Default 64 MiB. */
  readonly queueBytesMax: number;
  /** Messages that wait for one peer; over it the queue is dropped. Default 65,536. */
  readonly queueMessagesMax: number;
  /** Bytes (estimated) at which a frame is full; a larger message gets a frame of its own. Default 2 MiB. */
  readonly frameBytesTarget: number;
  /** Bytes that are handed to the socket before the rest waits, to leave in larger frames. Default 1 MiB. */
  readonly unwrittenBytesMax: number;
  /** Largest frame sent and accepted; has to exceed the largest client request by far. Default 16 MiB. */
  readonly frameBytesMax: number;
  /** Incoming connections at one time, whoever they come from. Default 256. */
  readonly connectionsMax: number;
  /** Incoming streams that have not been accepted yet, at one time. Default 64. */
  readonly pendingStreamsMax: number;
  /** Time from the attempt to connect, or from an incoming stream, to an accepted hello. Default 3,000. */
  readonly handshakeTimeoutMs: number;
  /** First wait before connecting again; doubles up to the maximum and is jittered downwards. Default 50. */
  readonly reconnectMinMs: number;
  /** Longest wait before connecting again. Default 1,000. */
  readonly reconnectMaxMs: number;
  /** Time between keepalive pings, in both directions. Default 1,000. */
  readonly keepaliveIntervalMs: number;
  /** Time that a ping may stay unanswered before the connection counts as dead. Default 2,000. */
  readonly keepaliveTimeoutMs: number;
  /** Requests for parts of snapshots that are answered at one time; over it they are refused, to be asked again. Default 4. */
  readonly fetchesMax: number;
  /** Time that a request for a part of a snapshot may take, its connection included. Default 30,000. */
  readonly fetchTimeoutMs: number;
  /** Time without such a request after which its connection is closed. Default 10,000. */
  readonly fetchIdleMs: number;
  /** Bytes of an answer that may be under way to this member. Default 1 MiB. */
  readonly fetchWindowBytes: number;
  /** Time that `close` waits for the peers to confirm what was sent last. Default 200. */
  readonly closeGraceMs: number;
}

/** How to build the gRPC transport. */
export interface GrpcPeerTransportOptions {
  readonly identity: TransportIdentity;
  /** host:port to listen on; port 0 takes a free one. */
  readonly listenAddress: string;
  /** Default: silent. */
  readonly logger?: Logger;
  /** Default: insecure. */
  readonly serverCredentials?: ServerCredentials;
  /** Default: insecure. */
  readonly channelCredentials?: ChannelCredentials;
  /** Default: {@link defaultTransportLimits}, field by field. */
  readonly limits?: Partial<TransportLimits>;
  /** From 0 to 1, for the jitter of reconnects. Default `Math.random`. */
  readonly random?: () => number;
}

/** Limits that suit a cluster with requests of up to 2 MiB. */
export const defaultTransportLimits: TransportLimits = {
  queueBytesMax: 64 * 1024 * 1024,
  queueMessagesMax: 65_536,
  frameBytesTarget: 2 * 1024 * 1024,
  unwrittenBytesMax: 1024 * 1024,
  frameBytesMax: 16 * 1024 * 1024,
  connectionsMax: 256,
  pendingStreamsMax: 64,
  handshakeTimeoutMs: 3_000,
  reconnectMinMs: 50,
  reconnectMaxMs: 1_000,
  keepaliveIntervalMs: 1_000,
  keepaliveTimeoutMs: 2_000,
  fetchesMax: 4,
  fetchTimeoutMs: 30_000,
  fetchIdleMs: 10_000,
  fetchWindowBytes: 1024 * 1024,
  closeGraceMs: 200,
};
