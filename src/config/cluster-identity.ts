import { createHash } from "node:crypto";
import { type Configuration, votersOnly } from "../raft/configuration.ts";
import type { InitialMember } from "./initial-cluster.ts";

/** Who a member of the initial cluster is; the same on every member that was given the same list and token. */
export interface InitialIdentity extends InitialMember {
  /** 16 hexadecimal digits. */
  readonly memberId: string;
}

/** A cluster as its members start it. */
export interface ClusterIdentity {
  /** 16 hexadecimal digits. */
  readonly clusterId: string;
  /** Ordered by name. */
  readonly members: readonly InitialIdentity[];
}

/**
 * Derives identities from the token and the initial members, in any order. Members started with different lists get
 * different cluster ids and refuse to talk, rather than form two majorities.
 */
export function clusterIdentity(token: string, members: readonly InitialMember[]): ClusterIdentity {
  const ordered = [...members].sort((a, b) => (a.name < b.name ? -1 : 1));
  const clusterId = shortHash(["cluster", token, ...ordered.map((member) => [member.name, member.peerAddress])]);
  return {
    clusterId,
    members: ordered.map((member) => ({ ...member, memberId: shortHash(["member", clusterId, member.name]) })),
  };
}

/** The configuration that a cluster starts with: every initial member a voter. */
export function bootstrapConfiguration({ members }: ClusterIdentity): Configuration {
  return votersOnly(members.map(({ memberId, name, peerAddress }) => ({ id: memberId, name, peerAddress })));
}

/** First 64 bits of SHA-256, in hexadecimal. JSON keeps the parts apart, whatever characters they hold. */
function shortHash(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}
