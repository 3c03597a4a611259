import { Counter, type Registry } from "prom-client";
import type { ChangeOutcome, TransferOutcome } from "../replica/administration.ts";
import type { MembershipEdit } from "../replica/membership-edit.ts";

/** How a change of membership ended, as the metrics tell it. */
export type ChangeMetricResult = ChangeOutcome["type"];
/** How a transfer of leadership ended, as the metrics tell it. */
export type TransferMetricResult = TransferOutcome["type"];
/** What a transfer of leadership was for. */
export type TransferReason = "request" | "shutdown";

/** What the server tells of changes and transfers that this member was asked for as leader. */
export interface MembershipMetrics {
  readonly membershipChange: (kind: MembershipEdit["type"], result: ChangeMetricResult) => void;
  readonly leadershipTransfer: (reason: TransferReason, result: TransferMetricResult) => void;
}

/** Registers both counters, every series from the start. */
export function registerMembershipMetrics(registry: Registry): MembershipMetrics {
  const changes = new Counter({
    name: "raftkv_raft_membership_changes_total",
    help:
      "Membership changes that this member was asked for as leader (kind: add, promote, remove, replace; result: changed, " +
      "refused, unknown); promotions that the leader makes by itself are not among them.",
    labelNames: ["kind", "result"],
    registers: [registry],
  });
  for (const kind of ["add", "promote", "remove", "replace"]) {
    for (const result of ["changed", "refused", "unknown"]) changes.inc({ kind, result }, 0);
  }
  const transfers = new Counter({
    name: "raftkv_raft_leadership_transfers_total",
    help: "Leadership transfers begun by this member (reason: request, shutdown; result: transferred, refused, failed).",
    labelNames: ["reason", "result"],
    registers: [registry],
  });
  for (const reason of ["request", "shutdown"]) {
    for (const result of ["transferred", "refused", "failed"]) transfers.inc({ reason, result }, 0);
  }
  return {
    membershipChange: (kind, result) => changes.inc({ kind, result }),
    leadershipTransfer: (reason, result) => transfers.inc({ reason, result }),
  };
}
