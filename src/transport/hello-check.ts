import type { WireHello } from "./message-encoder.ts";
import type { RefusalReason } from "./refusal.ts";
import { protocolVersion, type TransportIdentity } from "./transport-options.ts";

/** Why a hello does not fit, for programs and for people. */
export interface HelloMismatch {
  readonly reason: RefusalReason;
  /** Names both values. */
  readonly message: string;
}

/** Why a hello is not meant for this member, or not by a member of its cluster; `undefined` when it is. */
export function checkHello(hello: WireHello, self: TransportIdentity): HelloMismatch | undefined {
  if (hello.protocolVersion !== protocolVersion) {
    const message = `the peer speaks protocol version ${hello.protocolVersion}, this member ${protocolVersion}`;
    return { reason: "PROTOCOL_MISMATCH", message };
  }
  if (hello.clusterId !== self.clusterId) {
    const message = `the peer belongs to cluster "${hello.clusterId}", this member to "${self.clusterId}"`;
    return { reason: "CLUSTER_MISMATCH", message };
  }
  if (hello.toMemberId !== self.memberId) {
    const message = `the peer looks for member "${hello.toMemberId}", this is member "${self.memberId}"`;
    return { reason: "MEMBER_MISMATCH", message };
  }
  return undefined;
}

/** What a member of the cluster is told that is no peer of this one. */
export function unknownMember(hello: WireHello, self: TransportIdentity): HelloMismatch {
  const message = `the peer is member "${hello.fromMemberId}", which member "${self.memberId}" does not know`;
  return { reason: "UNKNOWN_MEMBER", message };
}
