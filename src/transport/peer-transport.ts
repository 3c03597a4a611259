import type { ConfigurationMember, MemberId } from "../raft/configuration.ts";
import type { Index, Term } from "../raft/entry.ts";
import type { Message } from "../raft/message.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "./snapshot-transfer.ts";

/** Client commands on their way to the leader, one batch a turn. */
export interface ForwardRequest {
  readonly type: "ForwardRequest";
  readonly from: MemberId;
  readonly to: MemberId;
  /** Fresh for every batch, across restarts of the sender too: answers to what it sent before may still come. */
  readonly id: number;
  readonly commands: readonly { readonly command: Uint8Array; readonly timeoutMs: number }[];
}

/** What became of one forwarded command. */
export type ForwardedResult =
  | {
      readonly position: number;
      readonly outcome: "applied";
      readonly result: Uint8Array;
      readonly index: Index;
      readonly term: Term;
    }
  | {
      readonly position: number;
      readonly outcome: "dropped" | "unknown";
      /** Such as NOT_LEADER, OVERLOADED, PROPOSAL_DROPPED. */
      readonly reason: string;
      /** 0 where there is no entry. */
      readonly index: Index;
      /** 0 where there is no entry. */
      readonly term: Term;
    };

/** Answers some commands of a {@link ForwardRequest}. */
export interface ForwardResponse {
  readonly type: "ForwardResponse";
  readonly from: MemberId;
  readonly to: MemberId;
  readonly id: number;
  readonly results: readonly ForwardedResult[];
}

/** What the sender's state came to at a checkpoint. */
export interface StateHashReport {
  readonly type: "StateHashReport";
  readonly from: MemberId;
  readonly to: MemberId;
  /** Of the checkpoint. */
  readonly index: Index;
  /** SHA-256 of the state's rows, 64 hexadecimal digits. */
  readonly hash: string;
  /** Of the state machine that wrote the rows; hashes of different versions say nothing about each other. */
  readonly stateVersion: number;
  /** Whether the sender does not know the receiver's hash yet. */
  readonly wantsAnswer: boolean;
}

/** Everything that members say to each other. */
export type PeerMessage = Message | ForwardRequest | ForwardResponse | StateHashReport;

/** What a peer's hello told about it. */
export interface PeerHello {
  readonly memberId: MemberId;
  readonly name: string;
  readonly dataDirectoryId: string;
  readonly clientAddress: string;
  /** HOST:PORT at which members reach it; absent or empty when it did not tell. */
  readonly peerAddress?: string;
}

/** What the replica does with what arrives. The callbacks must not throw and must not block. */
export interface PeerTransportHandlers {
  /** Messages from one peer, in the order sent. `wireBytes` is the frame's size; 0 in process. */
  onMessages(from: MemberId, messages: readonly PeerMessage[], wireBytes: number): void;
  /**
   * A member of the cluster introduced itself; messages follow only after the promise resolves, and only if it is among the
   * peers then: it may be one that this member has yet to hear of. A rejection refuses it, with the error's message told to it
   * (such as: another data directory under a known member id).
   */
  onHello(hello: PeerHello): Promise<void>;
  /** What was sent to `peer` lately may be lost: a stream broke, none stands, or a queue overflowed. Told of every loss. */
  onUnreachable(peer: MemberId): void;
  /**
   * A member that was introduced asks for a part of a snapshot. Rejects with `SNAPSHOT_GONE` when that snapshot is not kept any
   * more; any other rejection tells the member to ask again.
   */
  onSnapshotChunk(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk>;
}

/** Counters of one peer link, for metrics. All but `connected` only grow. */
export interface PeerLinkStats {
  readonly connected: boolean;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly sentMessages: number;
  readonly receivedMessages: number;
  readonly sendFailures: number;
  readonly disconnects: number;
}

/**
 * Links to the other members: ordered within a link while it lasts, lossy, never blocking. Raft repairs what is lost.
 * Each peer has a queue of its own, so that one that does not read delays nobody else.
 */
export interface PeerTransport {
  /** Begins to listen and to deliver. Rejects when the address is in use. */
  start(handlers: PeerTransportHandlers): Promise<void>;
  /** Who the peers are, without the member itself; links appear and disappear accordingly. */
  setPeers(peers: readonly ConfigurationMember[]): void;
  /** Queues messages for one peer. Over the queue's limit they are dropped and the peer is reported unreachable. */
  send(to: MemberId, messages: readonly PeerMessage[]): void;
  /**
   * Asks a peer for a part of a snapshot of its state, apart from its link and its queue. Rejects with `SNAPSHOT_GONE` when the
   * snapshot is to be begun anew, and with `PEER_UNREACHABLE` when there was no answer, or none that can be used: it may be
   * asked again. It ends within a bounded time.
   */
  fetchSnapshotChunk(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk>;
  /** Counters by peer. */
  stats(): ReadonlyMap<MemberId, PeerLinkStats>;
  /** Sends what is queued if it can be sent at once, then closes every link; idempotent. */
  close(): Promise<void>;
}
