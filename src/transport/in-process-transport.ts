import { assert } from "../lib/assert.ts";
import type { ConfigurationMember, MemberId } from "../raft/configuration.ts";
import { type LinkCounters, newLinkCounters } from "./link-stats.ts";
import type { PeerLinkStats, PeerMessage, PeerTransport, PeerTransportHandlers } from "./peer-transport.ts";
import { defaultTransportLimits, type TransportIdentity } from "./transport-options.ts";

/** Transports of one process that reach each other without sockets: for tests, and for several members in one process. */
export interface InProcessNetwork {
  /** A transport of a new member. A member id must not have two that are open. */
  createTransport(identity: TransportIdentity, options?: InProcessTransportOptions): PeerTransport;
  /** Cuts the links between two members, both ways. */
  cut(a: MemberId, b: MemberId): void;
  /** Undoes {@link InProcessNetwork.cut}. */
  heal(a: MemberId, b: MemberId): void;
}

/** Limits of an in-process transport. */
export interface InProcessTransportOptions {
  /** Messages that wait for one peer; over it the queue is dropped. Default 65,536. */
  readonly queueMessagesMax?: number;
}

/** An empty network. Messages are handed over as they are: they never change once made. */
export function createInProcessNetwork(): InProcessNetwork {
  const transports = new Map<MemberId, InProcessTransport>();
  const cuts = new Set<string>();
  const network: Surroundings = {
    find: (id) => transports.get(id),
    isCut: (a, b) => cuts.has(pairOf(a, b)),
    relink() {
      for (const transport of transports.values()) transport.relink();
    },
    leave(transport) {
      if (transports.get(transport.identity.memberId) === transport) transports.delete(transport.identity.memberId);
    },
  };
  return {
    createTransport(identity, options = {}) {
      assert(!transports.has(identity.memberId), `member ${identity.memberId} has a transport already`);
      const transport = new InProcessTransport(identity, network, options);
      transports.set(identity.memberId, transport);
      return transport;
    },
    cut(a, b) {
      cuts.add(pairOf(a, b));
      network.relink();
    },
    heal(a, b) {
      cuts.delete(pairOf(a, b));
      network.relink();
    },
  };
}

interface Surroundings {
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
  /** Whose answer to the hello is awaited, or who refused it: not asked again. */
  asked: InProcessTransport | undefined;
  deliveryScheduled: boolean;
}

class InProcessTransport implements PeerTransport {
  readonly identity: TransportIdentity;
  readonly #network: Surroundings;
  readonly #queueMessagesMax: number;
  readonly #links = new Map<MemberId, Link>();
  #handlers: PeerTransportHandlers | undefined;
  #closed = false;

  constructor(identity: TransportIdentity, network: Surroundings, options: InProcessTransportOptions) {
    this.identity = identity;
    this.#network = network;
    this.#queueMessagesMax = options.queueMessagesMax ?? defaultTransportLimits.queueMessagesMax;
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
    for (const id of this.#links.keys()) if (!wanted.has(id)) this.#links.delete(id);
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
    if (link.queue.length + messages.length > this.#queueMessagesMax) {
      link.counters.sendFailures += link.queue.length + messages.length;
      link.queue = [];
      this.#report(to);
      return;
    }
    for (const message of messages) link.queue.push(message);
    this.#scheduleDelivery(to, link);
  }

  stats(): ReadonlyMap<MemberId, PeerLinkStats> {
    return new Map([...this.#links].map(([id, link]) => [id, { ...link.counters }]));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    for (const link of this.#links.values()) this.#deliver(link);
    this.#closed = true;
    this.#links.clear();
    this.#network.leave(this);
    this.#network.relink();
  }

  relink(): void {
    if (this.#handlers === undefined) return;
    for (const [id, link] of this.#links) {
      const target = this.#network.find(id);
      const reachable = target?.accepts(this.identity) === true && !this.#network.isCut(this.identity.memberId, id);
      if (link.target !== undefined && (!reachable || link.target !== target)) this.#break(id, link);
      if (!reachable) link.asked = undefined;
      else if (link.asked !== target) void this.#introduce(link, target);
    }
  }

  /** Whether a hello of that peer would pass the checks that need no replica. */
  accepts(peer: TransportIdentity): boolean {
    const started = this.#handlers !== undefined && !this.#closed;
    return started && peer.clusterId === this.identity.clusterId && this.#links.has(peer.memberId);
  }

  async #introduce(link: Link, target: InProcessTransport): Promise<void> {
    link.asked = target;
    const accepted = await target.receiveHello(this.identity);
    if (!accepted || link.asked !== target) return;
    link.target = target;
    link.counters.connected = true;
  }

  async receiveHello(peer: TransportIdentity): Promise<boolean> {
    try {
      await this.#handlers?.onHello(peer);
      return this.accepts(peer);
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
    deliveryScheduled: false,
  };
}

function pairOf(a: MemberId, b: MemberId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
