import { type Configuration, isVoter, type MemberId } from "../raft/configuration.ts";
import type { ConfigurationAt } from "../raft/configuration-history.ts";
import type { Index, Term } from "../raft/entry.ts";
import { quorumIndex } from "../raft/quorum.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { IntegrityStatus } from "./integrity.ts";
import type { SnapshotSent } from "./snapshot-source.ts";
import type { SpaceStatus } from "./space-guard.ts";
import type { SnapshotReceived } from "./transfer.ts";

/** Role of a member in Raft; a learner is a follower without a vote. */
export type RaftRole = "follower" | "preCandidate" | "candidate" | "leader" | "learner";

/** A member's view of itself and of the cluster at one moment. */
export interface ReplicaStatus {
  readonly memberId: MemberId;
  readonly role: RaftRole;
  readonly term: Term;
  readonly leaderId: MemberId | null;
  readonly commitIndex: Index;
  readonly appliedIndex: Index;
  readonly firstIndex: Index;
  readonly lastIndex: Index;
  readonly logSizeBytes: number;
  readonly configuration: Configuration;
  readonly configurationIndex: Index;
  /** The newest one that is committed, which may be behind the one in force. */
  readonly committedConfiguration: ConfigurationAt;
  /** Since this start: applied everything that was committed when a leader was first heard (or it leads). */
  readonly caughtUp: boolean;
  /** Milliseconds since a leader, or on a leader a quorum, was last heard from; `null` when neither ever was. */
  readonly leaderContactAgeMs: number | null;
  readonly pendingProposals: number;
  /** Snapshot that this member is fetching; `null` when it is not. */
  readonly snapshotReceived: SnapshotReceived | null;
  /** Snapshots that others are fetching from this member. */
  readonly snapshotsSent: readonly SnapshotSent[];
  readonly space: SpaceStatus;
  readonly integrity: IntegrityStatus;
  /** Leader's view of each peer; empty elsewhere. */
  readonly peers: readonly PeerProgress[];
}

/** How current the state of a member is. */
export type Freshness = Pick<ReplicaStatus, "caughtUp" | "leaderContactAgeMs">;

/** Leader's view of a peer. */
export interface PeerProgress {
  readonly memberId: MemberId;
  readonly matchIndex: Index;
  readonly inflightMessages: number;
  /** Milliseconds since it was last heard from; `null` when it never was. */
  readonly contactAgeMs: number | null;
}

/** What the core does not know about the member. */
export interface ReplicaFacts {
  readonly nowMs: number;
  readonly appliedIndex: Index;
  readonly logSizeBytes: number;
  readonly caughtUp: boolean;
  readonly pendingProposals: number;
  readonly snapshotReceived: SnapshotReceived | null;
  readonly snapshotsSent: readonly SnapshotSent[];
  readonly space: SpaceStatus;
  readonly integrity: IntegrityStatus;
}

/** Puts core and member together into one view. */
export function replicaStatus(node: RaftNode, facts: ReplicaFacts): ReplicaStatus {
  const { nowMs, appliedIndex, logSizeBytes, caughtUp, pendingProposals, snapshotReceived, snapshotsSent } = facts;
  const { space, integrity } = facts;
  const { configuration, index: configurationIndex } = node.configurationAt;
  return {
    memberId: node.id,
    role: node.role === "follower" && !isVoter(configuration, node.id) ? "learner" : node.role,
    term: node.term,
    leaderId: node.leaderId,
    commitIndex: node.commitIndex,
    appliedIndex,
    firstIndex: node.firstIndex,
    lastIndex: node.lastIndex,
    logSizeBytes,
    configuration,
    configurationIndex,
    committedConfiguration: node.committedConfigurationAt,
    caughtUp,
    pendingProposals,
    snapshotReceived,
    snapshotsSent,
    space,
    integrity,
    leaderContactAgeMs: leaderContactAgeMs(node, nowMs),
    peers: Array.from(node.progress, ([memberId, progress]) => ({
      memberId,
      matchIndex: progress.matchIndex,
      inflightMessages: progress.inflights.count,
      contactAgeMs: ageMs(progress.lastContactMs, nowMs),
    })),
  };
}

/** See {@link ReplicaStatus.leaderContactAgeMs}. */
export function leaderContactAgeMs(node: RaftNode, nowMs: number): number | null {
  return ageMs(node.role === "leader" ? quorumContactMs(node, nowMs) : node.leaderContactMs, nowMs);
}

function ageMs(contactMs: number | null, nowMs: number): number | null {
  return contactMs === null ? null : Math.max(0, nowMs - contactMs);
}

/** When the last answer came that makes a quorum with this member; until the first, when a leader of before was heard. */
function quorumContactMs(node: RaftNode, nowMs: number): number | null {
  const never = -1;
  const heardMs = quorumIndex(node.configuration, (id) =>
    id === node.id ? nowMs : (node.progress.get(id)?.lastContactMs ?? never),
  );
  return heardMs === never ? node.leaderContactMs : heardMs;
}
