import { assert } from "../lib/assert.ts";
import type { MemberId } from "../raft/configuration.ts";
import { InProcessTransport, type InProcessTransportOptions, type Surroundings } from "./in-process-transport.ts";
import type { PeerTransport } from "./peer-transport.ts";
import type { TransportIdentity } from "./transport-options.ts";

/** Transports of one process that reach each other without sockets: for tests, and for several members in one process. */
export interface InProcessNetwork {
  /** A transport of a new member. A member id must not have two that are open. */
  createTransport(identity: TransportIdentity, options?: InProcessTransportOptions): PeerTransport;
  /** Cuts the links between two members, both ways. */
  cut(a: MemberId, b: MemberId): void;
  /** Undoes {@link InProcessNetwork.cut}. */
  heal(a: MemberId, b: MemberId): void;
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
      assert(!transports.has(identity.memberId), () => `member ${identity.memberId} has a transport already`);
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

function pairOf(a: MemberId, b: MemberId): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}
