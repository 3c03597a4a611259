import { unreachable } from "../lib/assert.ts";
import { membersMax } from "../raft/configuration.ts";
import type { ChangeOutcome, TransferOutcome } from "../replica/administration.ts";
import type { MembershipEdit } from "../replica/membership-edit.ts";
import { notProposedRefusal, type RefusalContext } from "./refusals.ts";
import type { Refusal } from "./status.ts";

/** How soon a change that others stand in the way of may be tried again, milliseconds. */
const changeRetryMs = 100;

type ChangeRefusal = (ChangeOutcome & { type: "refused" })["reason"];
type TransferRefusal = (TransferOutcome & { type: "refused" })["reason"];

/** A change of membership that was not begun, as the client hears it. */
export function changeRefusal(reason: ChangeRefusal, edit: MembershipEdit, context: RefusalContext): Refusal {
  const { configurationIndex } = context.replica.status();
  const about = subject(edit);
  switch (reason) {
    case "NOT_LEADER":
      return notProposedRefusal("NOT_LEADER", context);
    case "MEMBER_UNKNOWN":
      return memberUnknown(about);
    case "MEMBER_EXISTS":
      return memberExists(edit);
    case "TOO_MANY_MEMBERS":
      return {
        reason,
        message: `${about} cannot be added: a cluster has ${membersMax} members at most; remove one, or replace one by it`,
        metadata: { limit: String(membersMax) },
      };
    case "NOT_A_LEARNER":
      return { reason, message: `${about} is no learner, so it cannot be promoted`, metadata: { member: about } };
    case "LEARNER_NOT_READY":
      return {
        reason,
        message: `${about} has not caught up, so it cannot be promoted yet; try again when its match_index is near the leader's`,
        metadata: { member: about },
      };
    case "CONFIG_CHANGE_IN_PROGRESS":
      return {
        reason,
        message:
          "another change of membership is under way, or the leader is too new to begin one; nothing was changed",
        retryDelayMs: changeRetryMs,
      };
    case "TRANSFER_IN_PROGRESS":
      return transferInProgress(context);
    case "CONFIGURATION_CHANGED":
      return {
        reason,
        message: `the configuration is the one at index ${configurationIndex}, not the expected one; list the members again`,
        metadata: { configuration_index: String(configurationIndex) },
      };
    case "QUORUM_AT_RISK":
      return quorumAtRisk(about, context);
    case "TARGET_INVALID":
      return { reason, message: `${about}: the change would leave no voter`, metadata: { member: about } };
    default:
      return unreachable(reason, "refusal of a change");
  }
}

/** A change of membership that was begun and whose end is not known. */
export function changeUnknownRefusal(edit: MembershipEdit): Refusal {
  return {
    reason: "OUTCOME_UNKNOWN",
    message: `the change about ${subject(edit)} was begun and may or may not be carried out; list the members before trying again`,
    metadata: { member: subject(edit) },
  };
}

/** A transfer of leadership that was not begun, as the client hears it. */
export function transferRefusal(reason: TransferRefusal, target: string, context: RefusalContext): Refusal {
  switch (reason) {
    case "NOT_LEADER":
      return notProposedRefusal("NOT_LEADER", context);
    case "MEMBER_UNKNOWN":
      return memberUnknown(target);
    case "TARGET_NOT_VOTER":
      return {
        reason: "TARGET_INVALID",
        message:
          target === "" ? "no other voter is heard from that could lead" : `${target} is no voter, so it cannot lead`,
        metadata: { member: target },
      };
    case "TRANSFER_IN_PROGRESS":
      return transferInProgress(context);
    default:
      return unreachable(reason, "refusal of a transfer");
  }
}

/** A transfer of leadership that came to nothing. */
export function transferFailedRefusal(target: string, context: RefusalContext): Refusal {
  const who = target === "" ? "the voter that was furthest along" : target;
  return {
    reason: "TRANSFER_FAILED",
    message:
      `${who} did not take over within an election timeout (${context.electionTimeoutMs} ms); the leader goes on, or another ` +
      "member took over: see that the target is up and caught up (raftkv status), then try again",
    metadata: { member: target },
  };
}

function transferInProgress({ electionTimeoutMs }: RefusalContext): Refusal {
  return {
    reason: "TRANSFER_IN_PROGRESS",
    message: "leadership is on its way to another member; nothing was changed",
    retryDelayMs: electionTimeoutMs,
  };
}

function memberUnknown(idOrName: string): Refusal {
  const message = `no member has the id or name ${JSON.stringify(idOrName)}`;
  return { reason: "MEMBER_UNKNOWN", message, metadata: { member: idOrName } };
}

function memberExists(edit: MembershipEdit): Refusal {
  // Of a replacement it is the newcomer whose name or address is taken, not who is to go.
  const name = edit.type === "replace" ? edit.member.name : subject(edit);
  return {
    reason: "MEMBER_EXISTS",
    message: `${name} cannot be added: another member has its name or its peer address`,
  };
}

function quorumAtRisk(about: string, { replica, electionTimeoutMs }: RefusalContext): Refusal {
  const { configuration, peers } = replica.status();
  const silent = peers.filter(({ contactAgeMs }) => contactAgeMs === null || contactAgeMs >= electionTimeoutMs);
  const names = silent
    .map(({ memberId }) => configuration.members.find(({ id }) => id === memberId)?.name ?? memberId)
    .join(", ");
  return {
    reason: "QUORUM_AT_RISK",
    message:
      `${about}: the voters that would be left have no majority that the leader hears from (silent: ${names}); bring members ` +
      "back, or remove dead ones first; nothing was changed",
    metadata: { silent: names },
  };
}

function subject(edit: MembershipEdit): string {
  if (edit.type === "replace") return edit.old;
  return edit.type === "add" ? edit.member.name : edit.member;
}
