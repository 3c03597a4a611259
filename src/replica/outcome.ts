import type { Index, Term } from "../raft/entry.ts";

/** Why a proposal was certainly not applied. */
export type DropReason =
  /** No leader is known. */
  | "NO_LEADER"
  /** The member asked does not lead, and forwarding was not wanted or not possible. */
  | "NOT_LEADER"
  /** A queue is at its limit. */
  | "OVERLOADED"
  /** The state may not grow any more, or the leader's disk has no room. */
  | "NO_SPACE"
  /** The member is shutting down. */
  | "SHUTTING_DOWN"
  /** Proposed, then overwritten by another leader's entry. */
  | "PROPOSAL_DROPPED"
  /** The leader's version does not know the command that another member passed on. */
  | "UNSUPPORTED_COMMAND"
  /** The caller's deadline passed before the command was proposed. */
  | "DEADLINE_EXCEEDED";

/** How a proposal ended. Every proposal ends in exactly one of these. */
export type ProposalOutcome =
  | { readonly type: "applied"; readonly result: Uint8Array; readonly index: Index; readonly term: Term }
  /** Known not to be applied, now or later. */
  | { readonly type: "dropped"; readonly reason: DropReason; readonly index: Index; readonly term: Term }
  /** Proposed; whether it was or will be applied is not known. */
  | { readonly type: "unknown"; readonly index: Index; readonly term: Term };

/** Why a linearizable read could not be confirmed. Reads change nothing, so every failure may be tried again. */
export type ReadFailure =
  | "NO_LEADER"
  | "NOT_LEADER"
  | "OVERLOADED"
  | "SHUTTING_DOWN"
  | "DEADLINE_EXCEEDED"
  /** The state of this member differs from that of the majority; another member has the right one. */
  | "STATE_DIVERGED";

/** How a wait for a read index ended; `undefined` means: confirmed, serve from the local state now. */
export type ReadOutcome = ReadFailure | undefined;

/**
 * Called once when a read may be served, or why not. What is read from the local state there and then is linearizable.
 * `isCurrent` is for afterwards: it tells whether that was, when it was read, also the newest that the cluster had. It is
 * false when a lease stood for the read and is over by then; whoever wants to be sure asks anew. Without leases it is true.
 */
export type ReadDone = (outcome: ReadOutcome, isCurrent: () => boolean) => void;
