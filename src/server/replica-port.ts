import type { Configuration, MemberId } from "../raft/configuration.ts";
import type { Index, Term } from "../raft/entry.ts";
import type { ProposalOutcome, ReadOutcome } from "../replica/outcome.ts";

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
  /** Since this start: applied everything that was committed when a leader was first heard (or it leads). */
  readonly caughtUp: boolean;
  /** Milliseconds since a leader was last heard from; 0 on a leader that has its quorum; `null` when none was ever heard. */
  readonly leaderContactAgeMs: number | null;
  readonly pendingProposals: number;
  /** Leader's view of each peer; empty elsewhere. */
  readonly peers: readonly PeerProgress[];
}

/** Leader's view of a peer. */
export interface PeerProgress {
  readonly memberId: MemberId;
  readonly matchIndex: Index;
  readonly inflightMessages: number;
  /** Milliseconds since it was last heard from; `null` when it never was. */
  readonly contactAgeMs: number | null;
}

/** How a call of {@link ReplicaPort.propose} is answered: called exactly once, never from inside `propose`. */
export type ProposalCallback = (outcome: ProposalOutcome) => void;

/** What the services need of a replica; the real one is `src/replica`. Never throws; failures are outcomes. */
export interface ReplicaPort {
  status(): ReplicaStatus;
  /**
   * Proposes an encoded command, forwarding it to the leader unless `forward` is false.
   * `deadlineMs` is a time of the monotonic clock, as `now()` tells it.
   */
  propose(
    command: Uint8Array,
    options: { readonly deadlineMs: number; readonly forward: boolean },
    done: ProposalCallback,
  ): void;
  /** Calls back when a read served from the local state would be linearizable, or tells why it would not. */
  readIndex(
    options: { readonly deadlineMs: number; readonly forward: boolean },
    done: (outcome: ReadOutcome) => void,
  ): void;
  /** Calls back when `reached()` holds, looked at after each batch applied (for `min_revision`), or at the deadline with false. */
  waitApplied(reached: () => boolean, deadlineMs: number, done: (reached: boolean) => void): void;
  /** A row of the state as applied at present, durable or not. The array must not be changed. */
  stateRow(key: Uint8Array): Uint8Array | undefined;
  /** Addresses and name that peers told of themselves. */
  peerHello(memberId: MemberId): { readonly clientAddress: string } | undefined;
  /** Called whenever role, term, leader, readiness or configuration changed; returns how to stop it. */
  onChange(listener: () => void): () => void;
  /** The monotonic clock that deadlines refer to, milliseconds. */
  now(): number;
}
