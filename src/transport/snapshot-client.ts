import type { Client, ClientUnaryCall } from "@grpc/grpc-js";
import { RaftKvError } from "../lib/errors.ts";
import type { ConfigurationMember } from "../raft/configuration.ts";
import { bufferOver } from "./deliver-method.ts";
import { plainView } from "./incoming-stream.ts";
import { helloTo } from "./introduce-peer.ts";
import { openClient } from "./open-client.ts";
import { failureOf } from "./outgoing-stream.ts";
import type { LinkSettings } from "./peer-link.ts";
import { decodeSnapshotChunk, encodeSnapshotCall } from "./snapshot-codec.ts";
import { snapshotMethod } from "./snapshot-method.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "./snapshot-transfer.ts";
import { protocolVersion } from "./transport-options.ts";

/**
 * Asks one peer for parts of its snapshots, over a connection of its own: opened when it is needed, closed when it was idle
 * for a while and after every failure, so that the peer's name is looked up anew.
 */
export class SnapshotClient {
  readonly peer: ConfigurationMember;
  readonly #settings: LinkSettings;
  readonly #calls = new Set<ClientUnaryCall>();
  #client: Client | undefined;
  #idleTimer: NodeJS.Timeout | undefined;

  constructor(peer: ConfigurationMember, settings: LinkSettings) {
    this.peer = peer;
    this.#settings = settings;
  }

  /** See {@link PeerTransport.fetchSnapshotChunk}. */
  async fetch(request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    const bytes = await this.#call(request);
    try {
      return decodeSnapshotChunk(plainView(bytes), request);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#settings.logger.warn({ peer: this.peer.id, error: reason }, "chunk of a snapshot cannot be used");
      throw this.#unreachable(reason, cause);
    }
  }

  /** Ends what is under way, and the connection. */
  close(): void {
    clearTimeout(this.#idleTimer);
    for (const call of this.#calls) call.cancel();
    this.#client?.close();
    this.#client = undefined;
  }

  #call(request: SnapshotChunkRequest): Promise<Buffer> {
    const { identity, limits } = this.#settings;
    clearTimeout(this.#idleTimer);
    this.#client ??= openClient(this.peer.peerAddress, this.#settings, {
      "grpc.max_receive_message_length": limits.frameBytesMax,
      // A chunk at a time: it should not have to wait for the sender to hear that the last part has arrived.
      "grpc-node.flow_control_window": limits.fetchWindowBytes,
    });
    const client = this.#client;
    const bytes = encodeSnapshotCall({ hello: helloTo(this.peer.id, identity, protocolVersion), request });
    return new Promise((resolve, reject) => {
      const call = client.makeUnaryRequest(
        snapshotMethod.path,
        snapshotMethod.requestSerialize,
        snapshotMethod.responseDeserialize,
        bufferOver(bytes),
        { deadline: Date.now() + limits.fetchTimeoutMs },
        (error, answer) => {
          this.#calls.delete(call);
          this.#rest(client, error !== null);
          if (error === null && answer !== undefined) {
            resolve(answer);
            return;
          }
          const { refusalReason, message } = failureOf(error);
          if (refusalReason === "SNAPSHOT_GONE") reject(new RaftKvError("SNAPSHOT_GONE", message));
          else reject(this.#unreachable(message, error));
        },
      );
      this.#calls.add(call);
    });
  }

  /** Nothing more is asked for at present. */
  #rest(client: Client, failed: boolean): void {
    if (this.#client !== client || this.#calls.size > 0) return;
    const close = (): void => {
      client.close();
      if (this.#client === client) this.#client = undefined;
    };
    if (failed) close();
    else this.#idleTimer = setTimeout(close, this.#settings.limits.fetchIdleMs);
  }

  #unreachable(reason: string, cause: unknown): RaftKvError {
    const { id, peerAddress } = this.peer;
    const message = `no part of a snapshot from member ${id} at ${peerAddress}: ${reason}`;
    return new RaftKvError("PEER_UNREACHABLE", message, { cause });
  }
}
