import { assert } from "../lib/assert.ts";
import type { ConfigurationMember, MemberId } from "../raft/configuration.ts";
import { InProcessFetches } from "./in-process-fetches.ts";
import { type LinkCounters, newLinkCounters } from "./link-stats.ts";
import type { PeerLinkStats, PeerMessage, PeerTransport, PeerTransportHandlers } from "./peer-transport.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "./snapshot-transfer.ts";
import { defaultTransportLimits, type TransportIdentity, type TransportLimits } from "./transport-options.ts";

/** Limits of an in-process transport. Default: those of {@link defaultTransportLimits}. */
export type InProcessTransportOptions = Partial<
  Pick<TransportLimits, "queueMessagesMax" | "reconnectMinMs" | "fetchesMax" | "fetchTimeoutMs">
>;

/** The other transports, as one of them sees them. */
export interface Surroundings {
  find(id: MemberId): InProcessTransport | undefined;
  isCut(a: MemberId, b: MemberId): boolean;
  /** Every transport looks again at whom it can reach. */
  relink(): void;
  leave(transport: InProcessTransport): void;
}

/** The way to one peer. `target` is who accepted the hello; a peer that was closed and made anew is another one. */
interface Link {
  readonly counters: LinkCounters;
  queue: PeerMessage[];
  target: InProcessTransport | undefined;
  /** Whose answer to the hello is awaited, or who refused it and is asked again after a while. */
  asked: InProcessTransport | undefined;
  askAgainTimer: NodeJS.Timeout | undefined;
  deliveryScheduled: boolean;
}

/** One member's end of an {@link InProcessNetwork}. */
export class InProcessTransport implements PeerTransport {
  readonly identity: TransportIdentity;
  readonly #network: Surroundings;
  readonly #limits: TransportLimits;
  readonly #links = new Map<MemberId, Link>();
  readonly #fetches: InProcessFetches;
  #handlers: PeerTransportHandlers | undefined;
  #closed = false;

  constructor(identity: TransportIdentity, network: Surroundings, options: InProcessTransportOptions) {
    this.identity = identity;
    this.#network = network;
    this.#limits = { ...defaultTransportLimits, ...options };
    this.#fetches = new InProcessFetches(this.#limits);
  }

  async start(handlers: PeerTransportHandlers): Promise<void> {
    assert(this.#handlers === undefined && !this.#closed, "a transport is started once");
    this.#handlers = handlers;
    this.#network.relink();
  }

  setPeers(peers: readonly ConfigurationMember[]): void {
    if (this.#closed) return;
    const wanted = new Set(peers.map((peer) => peer.id));
    assert(!wanted.has(this.identity.memberId), "a member is no peer of itself");
    for (const [id, link] of this.#links) {
      if (wanted.has(id)) continue;
      clearTimeout(link.askAgainTimer);
      this.#links.delete(id);
    }
    for (const id of wanted) {
      if (!this.#links.has(id)) this.#links.set(id, newLink());
    }
    this.#network.relink();
  }

  send(to: MemberId, messages: readonly PeerMessage[]): void {
    const link = this.#links.get(to);
    if (link === undefined || messages.length === 0) return;
    if (link.target === undefined) {
      link.counters.sendFailures += messages.length;
      this.#report(to);
      return;
    }
    if (link.queue.length + messages.length > this.#limits.queueMessagesMax) {
      link.counters.sendFailures += link.queue.length + messages.length;
      link.queue = [];
      this.#report(to);
      return;
    }
    for (const message of messages) link.queue.push(message);
    this.#scheduleDelivery(to, link);
  }

  async fetchSnapshotChunk(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    return this.#fetches.fetch(from, this.#reachable(from), (target) => target.receiveFetch(this.identity, request));
  }

  /** Answers what another member asks for. */
  async receiveFetch(peer: TransportIdentity, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    return this.#fetches.answer(async () => {
      if (!(await this.receiveHello(peer))) return undefined;
      return this.#handlers?.onSnapshotChunk(peer.memberId, request);
    });
  }

  stats(): ReadonlyMap<MemberId, PeerLinkStats> {
    return new Map([...this.#links].map(([id, link]) => [id, { ...link.counters }]));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    for (const link of this.#links.values()) {
      clearTimeout(link.askAgainTimer);
      this.#deliver(link);
    }
    this.#closed = true;
    this.#links.clear();
    this.#fetches.endWhere(() => true);
    this.#network.leave(this);
    this.#network.relink();
  }

  relink(): void {
    if (this.#handlers === undefined) return;
    for (const [id, link] of this.#links) {
      const target = this.#reachable(id);
      // A peer that does not have this member among its own any more cuts the link, and may be asked anew.
      const kept = target !== undefined && target === link.target && target.hasPeer(this.identity.memberId);
      if (link.target !== undefined && !kept) this.#break(id, link);
      if (target === undefined) link.asked = undefined;
      else if (link.asked !== target) void this.#introduce(link, target);
    }
    this.#fetches.endWhere((from, target) => this.#reachable(from) !== target);
  }

  /** Whether it can hear a peer, whatever it then thinks of it. */
  hears(peer: TransportIdentity): boolean {
    return this.#handlers !== undefined && !this.#closed && peer.clusterId === this.identity.clusterId;
  }

  hasPeer(id: MemberId): boolean {
    return this.#links.has(id);
  }

  #reachable(id: MemberId): InProcessTransport | undefined {
    const target = this.#links.has(id) ? this.#network.find(id) : undefined;
    return target?.hears(this.identity) === true && !this.#network.isCut(this.identity.memberId, id)
      ? target
      : undefined;
  }

  async #introduce(link: Link, target: InProcessTransport): Promise<void> {
    link.asked = target;
    const accepted = await target.receiveHello(this.identity);
    if (link.asked !== target) return;
    if (accepted) {
      link.target = target;
      link.counters.connected = true;
      return;
    }
    clearTimeout(link.askAgainTimer);
    link.askAgainTimer = setTimeout(() => {
      if (link.asked === target) link.asked = undefined;
      this.relink();
    }, this.#limits.reconnectMinMs);
  }

  /** A peer introduces itself; resolves to whether it is heard from now on. */
  async receiveHello(peer: TransportIdentity): Promise<boolean> {
    try {
      // Nothing but its id is needed to answer it, so that is its address.
      await this.#handlers?.onHello({ peerAddress: peer.memberId, ...peer });
      return this.hears(peer) && this.hasPeer(peer.memberId);
    } catch {
      return false;
    }
  }

  #break(id: MemberId, link: Link): void {
    link.target = undefined;
    link.asked = undefined;
    link.counters.connected = false;
    link.counters.disconnects += 1;
    link.counters.sendFailures += link.queue.length;
    link.queue = [];
    this.#report(id);
  }

  #scheduleDelivery(to: MemberId, link: Link): void {
    if (link.deliveryScheduled) return;
    link.deliveryScheduled = true;
    setImmediate(() => {
      link.deliveryScheduled = false;
      if (this.#links.get(to) === link) this.#deliver(link);
    });
  }

  #deliver(link: Link): void {
    const messages = link.queue;
    if (link.target === undefined || messages.length === 0) return;
    link.queue = [];
    link.counters.sentMessages += messages.length;
    link.target.receiveMessages(this.identity.memberId, messages);
  }

  receiveMessages(from: MemberId, messages: readonly PeerMessage[]): void {
    const link = this.#links.get(from);
    if (link === undefined) return;
    link.counters.receivedMessages += messages.length;
    this.#handlers?.onMessages(from, messages, 0);
  }

  #report(peer: MemberId): void {
    queueMicrotask(() => {
      if (!this.#closed) this.#handlers?.onUnreachable(peer);
    });
  }
}

function newLink(): Link {
  return {
    counters: newLinkCounters(),
    queue: [],
    target: undefined,
    asked: undefined,
    askAgainTimer: undefined,
    deliveryScheduled: false,
  };
}
