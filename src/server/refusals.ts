import { type CommandFailure, CommandFailureReason } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { unreachable } from "../lib/assert.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { DropReason, ProposalOutcome, ReadFailure } from "../replica/outcome.ts";
import type { SpaceStatus } from "../replica/space-guard.ts";
import type { Overloaded } from "../replica/waiting-calls.ts";
import type { ReplicaPort } from "./replica-port.ts";
import type { ServerIdentity } from "./server-identity.ts";
import type { Reason, Refusal } from "./status.ts";

/** What the words of a refusal are taken from. */
export interface RefusalContext {
  readonly replica: ReplicaPort;
  readonly identity: ServerIdentity;
  /** Base of the advice when to try again where an election has to pass, milliseconds. */
  readonly electionTimeoutMs: number;
}

/** How long a client should wait when a queue is full. */
const overloadRetryMs = 100;

/** A proposal that was certainly not applied, as the client hears it. */
export function droppedRefusal(outcome: ProposalOutcome & { type: "dropped" }, context: RefusalContext): Refusal {
  if (outcome.reason !== "PROPOSAL_DROPPED") return notProposedRefusal(outcome.reason, context);
  return {
    reason: "PROPOSAL_DROPPED",
    message:
      `not applied: the entry at index ${outcome.index} of term ${outcome.term} was overwritten by a new leader; ` +
      "it is safe to try again",
    metadata: { index: String(outcome.index), term: String(outcome.term) },
  };
}

/** A linearizable read that could not be confirmed, as the client hears it. */
export function readFailureRefusal(failure: ReadFailure, context: RefusalContext): Refusal {
  return failure === "STATE_DIVERGED" ? divergedRefusal(context) : notProposedRefusal(failure, context);
}

/** The state of this member is known to be wrong, so that nothing is read from it. */
export function divergedRefusal({ replica, identity }: RefusalContext): Refusal {
  const { divergence } = replica.status().integrity;
  const index = String(divergence?.index ?? 0);
  return {
    reason: "STATE_DIVERGED",
    message: `the state of member ${identity.name} differs from that of the majority at index ${index}; ask another member, and replace this one`,
    metadata: { index, hash: divergence?.hash ?? "", majority_hash: divergence?.majorityHash ?? "" },
  };
}

/** A proposal of which nobody knows whether it was or will be applied. */
export function unknownRefusal({ index, term }: ProposalOutcome & { type: "unknown" }): Refusal {
  // Where a command that was passed on to the leader went is not known here.
  const placed = index !== 0;
  const what = placed ? `was proposed (index ${index}, term ${term})` : "was passed on to the leader";
  return {
    reason: "OUTCOME_UNKNOWN",
    message:
      `the outcome is unknown: the command ${what} and may have been or may yet be applied; ` +
      "retry only with the same request_id",
    metadata: placed ? { index: String(index), term: String(term) } : {},
  };
}

/** The member is draining. */
export function shuttingDownRefusal(context: RefusalContext): Refusal {
  const { leaderId, leaderAddress } = leaderHint(context);
  return {
    reason: "SHUTTING_DOWN",
    message: `member ${context.identity.name} is shutting down; not applied; ${describeLeader(leaderId, leaderAddress)}`,
    metadata: { leader_id: leaderId ?? "", leader_address: leaderAddress },
  };
}

/** Too many calls are under way. */
export function overloadedRefusal(pending: number, limit: number): Refusal {
  return {
    reason: "OVERLOADED",
    message: `${pending} calls are under way; the limit is ${limit}; not applied`,
    metadata: { pending: String(pending), limit: String(limit) },
    retryDelayMs: overloadRetryMs,
  };
}

/** As many calls of one administrative kind wait as may; `what` names them. */
export function administrationOverloadedRefusal(what: string, { limit }: Overloaded): Refusal {
  return {
    reason: "OVERLOADED",
    message: `${limit} ${what} wait at this member, as many as may; nothing was begun`,
    metadata: { pending: String(limit), limit: String(limit) },
    retryDelayMs: overloadRetryMs,
  };
}

/** The requests under way take so many bytes that one of `bytes` more does not fit. */
export function bytesOverloadedRefusal(pending: number, bytes: number, limit: number): Refusal {
  return {
    reason: "OVERLOADED",
    message: `requests of ${pending} bytes are under way and this one has ${bytes}; the limit is ${limit} together; not applied`,
    metadata: { pending_bytes: String(pending), size: String(bytes), limit_bytes: String(limit) },
    retryDelayMs: overloadRetryMs,
  };
}

/** A command that the state machine refused when it was applied; nothing changed. */
export function commandFailureRefusal(failure: CommandFailure): Refusal {
  const reason = commandFailureReason(failure.reason);
  return { reason, message: failure.message === "" ? `refused: ${reason}` : failure.message };
}

/**
 * A sequence reused or already given up is FAILED_PRECONDITION, not INVALID_ARGUMENT: the request is well formed, and only
 * what the session has seen before stands against it; under a fresh sequence the same request succeeds.
 */
function commandFailureReason(reason: CommandFailureReason): Reason {
  switch (reason) {
    case CommandFailureReason.NOT_AN_INTEGER:
      return "NOT_AN_INTEGER";
    case CommandFailureReason.INTEGER_OVERFLOW:
      return "INTEGER_OVERFLOW";
    case CommandFailureReason.SESSION_EXPIRED:
      return "SESSION_EXPIRED";
    case CommandFailureReason.SEQUENCE_ANSWERED:
      return "SEQUENCE_ANSWERED";
    case CommandFailureReason.SEQUENCE_REUSED:
      return "SEQUENCE_REUSED";
    case CommandFailureReason.TOO_MANY_PENDING:
      return "TOO_MANY_PENDING";
    case CommandFailureReason.TOO_MANY_SESSIONS:
      return "TOO_MANY_SESSIONS";
    case CommandFailureReason.UNSPECIFIED:
      return "INTERNAL";
    default:
      return unreachable(reason, "command failure reason");
  }
}

/** A call that was certainly not proposed, as the client hears it. */
export function notProposedRefusal(reason: Exclude<DropReason, "PROPOSAL_DROPPED">, context: RefusalContext): Refusal {
  const { term, pendingProposals } = context.replica.status();
  switch (reason) {
    case "NO_LEADER":
      return {
        reason: "NO_LEADER",
        message: `no leader is known, or it cannot be reached, in term ${term}; not applied`,
        metadata: { term: String(term) },
        retryDelayMs: context.electionTimeoutMs / 2,
      };
    case "NOT_LEADER": {
      const { leaderId, leaderAddress } = leaderHint(context);
      return {
        reason: "NOT_LEADER",
        message:
          `member ${context.identity.name} does not lead in term ${term} and did not forward; not applied; ` +
          describeLeader(leaderId, leaderAddress),
        metadata: { leader_id: leaderId ?? "", leader_address: leaderAddress, term: String(term) },
      };
    }
    case "OVERLOADED":
      return {
        reason: "OVERLOADED",
        message: `a queue of the cluster is at its limit (${pendingProposals} proposals pending here); not applied`,
        metadata: { pending: String(pendingProposals) },
        retryDelayMs: overloadRetryMs,
      };
    case "NO_SPACE":
      return noSpaceRefusal(context.replica.status().space);
    case "SHUTTING_DOWN":
      return shuttingDownRefusal(context);
    case "UNSUPPORTED_COMMAND":
      return {
        reason: "UNSUPPORTED_COMMAND",
        message: "the leader runs a version that does not know this command; not applied",
      };
    case "DEADLINE_EXCEEDED":
      return {
        reason: "DEADLINE_EXCEEDED",
        message: "the deadline passed before the request reached the log or was confirmed; not applied",
        metadata: { term: String(term) },
      };
    default:
      return unreachable(reason, "drop reason");
  }
}

/** Nothing may be added to the state. The figures are this member's; the leader, who refused, has the same state. */
function noSpaceRefusal({ usedBytes, quotaBytes, problem }: SpaceStatus): Refusal {
  const disk = "the disk of the leader has less space left than storage-reserve";
  const quota = `the state has ${usedBytes} bytes and its quota is ${quotaBytes}`;
  return {
    reason: "NO_SPACE",
    message: `${problem === "quota" ? quota : `${disk}, or ${quota}`}; not applied; reads and deletes go on`,
    metadata: { used: String(usedBytes), quota: String(quotaBytes) },
  };
}

/** Who leads and where clients reach it; an empty address when it has not told it yet. */
export function leaderHint(context: RefusalContext): {
  readonly leaderId: MemberId | null;
  readonly leaderAddress: string;
} {
  const { leaderId } = context.replica.status();
  if (leaderId === null) return { leaderId, leaderAddress: "" };
  const self = leaderId === context.identity.memberId;
  const address = self ? context.identity.clientAddress : context.replica.peerHello(leaderId)?.clientAddress;
  return { leaderId, leaderAddress: address ?? "" };
}

function describeLeader(leaderId: MemberId | null, address: string): string {
  if (leaderId === null) return "no leader is known";
  return address === "" ? `the leader is ${leaderId}` : `the leader is ${leaderId} at ${address}`;
}
