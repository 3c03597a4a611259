import { credentials, Server, ServerCredentials } from "@grpc/grpc-js";
import { assert } from "../lib/assert.ts";
import { RaftKvError } from "../lib/errors.ts";
import { silentLogger } from "../lib/logger.ts";
import type { ConfigurationMember, MemberId } from "../raft/configuration.ts";
import { deliverMethod } from "./deliver-method.ts";
import { DeliverService } from "./deliver-service.ts";
import { type LinkCounters, newLinkCounters } from "./link-stats.ts";
import { type LinkSettings, PeerLink } from "./peer-link.ts";
import { PeerListener } from "./peer-listener.ts";
import type { PeerLinkStats, PeerMessage, PeerTransport, PeerTransportHandlers } from "./peer-transport.ts";
import { SnapshotClient } from "./snapshot-client.ts";
import { snapshotMethod } from "./snapshot-method.ts";
import { SnapshotService } from "./snapshot-service.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "./snapshot-transfer.ts";
import { defaultTransportLimits, type GrpcPeerTransportOptions, type TransportLimits } from "./transport-options.ts";

/** A peer transport over gRPC; see proto/raftkv/raft/v1/raft_service.proto for what it says on the wire. */
export class GrpcPeerTransport implements PeerTransport {
  readonly #options: GrpcPeerTransportOptions;
  readonly #limits: TransportLimits;
  readonly #settings: LinkSettings;
  readonly #links = new Map<MemberId, PeerLink>();
  readonly #counters = new Map<MemberId, LinkCounters>();
  readonly #snapshotClients = new Map<MemberId, SnapshotClient>();
  #handlers: PeerTransportHandlers | undefined;
  #service: DeliverService | undefined;
  #snapshotService: SnapshotService | undefined;
  #listener: PeerListener | undefined;
  #closing: Promise<void> | undefined;

  constructor(options: GrpcPeerTransportOptions) {
    this.#options = options;
    this.#limits = { ...defaultTransportLimits, ...options.limits };
    this.#settings = {
      identity: options.identity,
      limits: this.#limits,
      channelCredentials: options.channelCredentials ?? credentials.createInsecure(),
      logger: options.logger ?? silentLogger,
      random: options.random ?? Math.random,
      onUnreachable: (peer) => this.#handlers?.onUnreachable(peer),
    };
  }

  /** host:port that the transport listens on, with the actual port. */
  get address(): string {
    assert(this.#listener !== undefined, "the transport has not been started");
    return this.#listener.address;
  }

  /** See {@link PeerTransport.start}. Rejects with `ADDRESS_IN_USE` when the address cannot be bound. */
  async start(handlers: PeerTransportHandlers): Promise<void> {
    assert(this.#handlers === undefined && this.#closing === undefined, "a transport is started once");
    this.#handlers = handlers;
    this.#service = this.#createService(handlers);
    this.#snapshotService = this.#createSnapshotService(handlers);
    this.#listener = new PeerListener(this.#createServer(this.#service, this.#snapshotService), {
      address: this.#options.listenAddress,
      credentials: this.#options.serverCredentials ?? ServerCredentials.createInsecure(),
      connectionsMax: this.#limits.connectionsMax,
      logger: this.#settings.logger,
    });
    await this.#listener.listen();
    for (const link of this.#links.values()) link.connect();
  }

  setPeers(peers: readonly ConfigurationMember[]): void {
    if (this.#closing !== undefined) return;
    const wanted = new Map(peers.map((peer) => [peer.id, peer]));
    assert(!wanted.has(this.#options.identity.memberId), "a member is no peer of itself");
    for (const [id, link] of this.#links) {
      const peer = wanted.get(id);
      if (peer?.peerAddress === link.peer.peerAddress) continue;
      this.#links.delete(id);
      void link.close();
      this.#snapshotClients.get(id)?.close();
      this.#snapshotClients.delete(id);
      if (peer !== undefined) continue;
      this.#counters.delete(id);
      this.#service?.removePeer(id);
    }
    for (const [id, peer] of wanted) {
      if (!this.#links.has(id)) this.#addLink(peer);
    }
  }

  send(to: MemberId, messages: readonly PeerMessage[]): void {
    this.#links.get(to)?.send(messages);
  }

  async fetchSnapshotChunk(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    const peer = this.#closing === undefined ? this.#links.get(from)?.peer : undefined;
    if (peer === undefined) throw new RaftKvError("PEER_UNREACHABLE", `member ${from} is no peer of this member`);
    const client = this.#snapshotClients.get(from) ?? new SnapshotClient(peer, this.#settings);
    this.#snapshotClients.set(from, client);
    return client.fetch(request);
  }

  stats(): ReadonlyMap<MemberId, PeerLinkStats> {
    return new Map([...this.#counters].map(([id, counters]) => [id, { ...counters }]));
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const client of this.#snapshotClients.values()) client.close();
    this.#snapshotService?.close();
    await Promise.all([...this.#links.values()].map((link) => link.close()));
    this.#service?.close();
    await this.#listener?.close();
  }

  #addLink(peer: ConfigurationMember): void {
    const counters = this.#counters.get(peer.id) ?? newLinkCounters();
    this.#counters.set(peer.id, counters);
    const link = new PeerLink(peer, counters, this.#settings);
    this.#links.set(peer.id, link);
    if (this.#listener?.isListening === true) link.connect();
  }

  #createService(handlers: PeerTransportHandlers): DeliverService {
    return new DeliverService({
      identity: this.#options.identity,
      limits: this.#limits,
      logger: this.#settings.logger,
      handlers,
      counters: (peer) => this.#counters.get(peer),
      onAccepted: (peer) => this.#links.get(peer)?.connect(),
    });
  }

  #createSnapshotService(handlers: PeerTransportHandlers): SnapshotService {
    return new SnapshotService({
      identity: this.#options.identity,
      limits: this.#limits,
      logger: this.#settings.logger,
      handlers,
      isPeer: (id) => this.#counters.has(id),
    });
  }

  #createServer(service: DeliverService, snapshots: SnapshotService): Server {
    const server = new Server({
      "grpc.max_receive_message_length": this.#limits.frameBytesMax,
      // A peer has one stream, for a moment two, and asks for parts of snapshots on another connection.
      "grpc.max_concurrent_streams": 8,
      "grpc.keepalive_time_ms": this.#limits.keepaliveIntervalMs,
      "grpc.keepalive_timeout_ms": this.#limits.keepaliveTimeoutMs,
      "grpc.enable_channelz": 0,
    });
    server.addService(
      { deliver: deliverMethod, fetchSnapshotChunk: snapshotMethod },
      { deliver: service.deliver, fetchSnapshotChunk: snapshots.fetch },
    );
    return server;
  }
}
