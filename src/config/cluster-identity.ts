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
  return withClusterId(clusterId, ordered);
}

function withClusterId(clusterId: string, members: readonly InitialMember[]): ClusterIdentity {
  const memberId = (name: string): string => shortHash(["member", clusterId, name]);
  return {
    clusterId,
    members: members.map(({ name, peerAddress }) => ({ name, peerAddress, memberId: memberId(name) })),
  };
}

/**
 * Derives identities of a cluster that is restored from a backup: the same for every member that is made from the same file,
 * list and token, and others than those of the cluster that the backup is of, or of any other restore.
 */
export function restoredClusterIdentity(
  backupSha256: string,
  token: string,
  members: readonly InitialMember[],
): ClusterIdentity {
  const restored = clusterIdentity(token, members);
  return withClusterId(shortHash(["restored", backupSha256, restored.clusterId]), restored.members);
}

/** The configuration that a cluster starts with: every initial member a voter. */
export function bootstrapConfiguration({ members }: ClusterIdentity): Configuration {
  return votersOnly(members.map(({ memberId, name, peerAddress }) => ({ id: memberId, name, peerAddress })));
}

/** First 64 bits of SHA-256, in hexadecimal. JSON keeps the parts apart, whatever characters they hold. */
function shortHash(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 16);
}
