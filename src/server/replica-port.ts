import type { MemberId } from "../raft/configuration.ts";
import type { Index, Term } from "../raft/entry.ts";
import type { ChangeOutcome, TransferOutcome } from "../replica/administration.ts";
import type { CompactionOutcome } from "../replica/compactor.ts";
import type { HashOutcome } from "../replica/hash-waiters.ts";
import type { MembershipEdit } from "../replica/membership-edit.ts";
import type { ProposalOutcome, ReadDone } from "../replica/outcome.ts";
import type { Freshness, ReplicaStatus } from "../replica/replica-status.ts";
import type { OpenOutcome } from "../replica/state-opener.ts";

export type { PeerProgress, RaftRole, ReplicaStatus } from "../replica/replica-status.ts";

/** How a call of {@link ReplicaPort.propose} is answered: called exactly once, never from inside `propose`. */
export type ProposalCallback = (outcome: ProposalOutcome) => void;

/**
 * What the services need of a replica; the real one is `src/replica`. Failures are outcomes; only `stateRow` throws,
 * `STATE_CORRUPT`, when a row cannot be read.
 */
export interface ReplicaPort {
  status(): ReplicaStatus;
  /** How current the state is, for each read that bounds its age, without the cost of the whole status. */
  freshness(): Freshness;
  /** Term and leader as far as known: the two facts of every answer, without the cost of the whole status. */
  leadership(): { readonly term: Term; readonly leaderId: MemberId | null };
  /**
   * Proposes an encoded command, forwarding it to the leader unless `forward` is false.
   * `deadlineMs` is a time of the monotonic clock, as `now()` tells it.
   */
  propose(
    command: Uint8Array,
    options: { readonly deadlineMs: number; readonly forward: boolean },
    done: ProposalCallback,
  ): void;
  /** Calls back when a read served from the local state would be linearizable, or tells why it would not; see {@link ReadDone}. */
  readIndex(options: { readonly deadlineMs: number; readonly forward: boolean }, done: ReadDone): void;
  /** Calls back when `reached()` holds, looked at after each batch applied (for `min_revision`), or at the deadline with false. */
  waitApplied(reached: () => boolean, deadlineMs: number, done: (reached: boolean) => void): void;
  /** Changes the membership, if this member leads; calls back once, never from inside. */
  changeMembership(
    edit: MembershipEdit,
    options: { readonly deadlineMs: number; readonly expectedIndex: number | null },
    done: (outcome: ChangeOutcome) => void,
  ): void;
  /** Hands leadership to a member, named by id or name, or to the best one, if this member leads; calls back once, never from inside. */
  transferLeadership(target: string | null, deadlineMs: number, done: (outcome: TransferOutcome) => void): void;
  /** Compacts this member's log up to what is applied, but for `trailingEntries`; calls back once, never from inside. */
  compact(
    options: { readonly trailingEntries: number | null; readonly deadlineMs: number },
    done: (outcome: CompactionOutcome) => void,
  ): void;
  /** Opens the durable state with at least what is applied now, for a caller that closes it; calls back once, never from inside. */
  openState(deadlineMs: number, done: (outcome: OpenOutcome) => void): void;
  /**
   * Hashes the state at the checkpoint `index`, or at a new one if that is `null`, which only the leader can take; calls back
   * once, never from inside.
   */
  hashState(index: Index | null, deadlineMs: number, done: (outcome: HashOutcome) => void): void;
  /** Whether the state is known to be wrong: nothing may be read from it. */
  isDiverged(): boolean;
  /** A row of the state as applied at present, durable or not. The array must not be changed. */
  stateRow(key: Uint8Array): Uint8Array | undefined;
  /** Addresses and name that peers told of themselves. */
  peerHello(memberId: MemberId): { readonly clientAddress: string } | undefined;
  /** Called whenever role, term, leader, readiness or configuration changed; returns how to stop it. */
  onChange(listener: () => void): () => void;
  /** The monotonic clock that deadlines refer to, milliseconds. */
  now(): number;
}
