import { type Configuration, isJoint, type MemberId } from "../raft/configuration.ts";
import type { Index, Term } from "../raft/entry.ts";
import type { ChangeRefusal } from "../raft/membership.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { TransferRefusal } from "../raft/transfer.ts";
import { applyEdit, type EditProblem, findMember, type MembershipEdit } from "./membership-edit.ts";

/** How a change of membership ended. */
export type ChangeOutcome =
  | { readonly type: "changed"; readonly configuration: Configuration; readonly index: Index }
  /** Nothing was changed. */
  | { readonly type: "refused"; readonly reason: ChangeRefusal | EditProblem }
  /** Begun; whether it will be ended is up to the leaders to come. */
  | { readonly type: "unknown" };

/** How a transfer of leadership ended. */
export type TransferOutcome =
  | { readonly type: "transferred"; readonly from: MemberId; readonly to: MemberId }
  | { readonly type: "refused"; readonly reason: TransferRefusal | "MEMBER_UNKNOWN" }
  /** The target did not take over within an election timeout; the leader goes on, or another one does. */
  | { readonly type: "failed" };

interface WaitingChange {
  readonly startIndex: Index;
  readonly term: Term;
  readonly deadlineMs: number;
  readonly done: (outcome: ChangeOutcome) => void;
}

interface WaitingTransfer {
  readonly from: MemberId;
  readonly to: MemberId;
  readonly term: Term;
  readonly deadlineMs: number;
  readonly done: (outcome: TransferOutcome) => void;
}

/** Changes of membership and transfers of leadership that this member, as leader, was asked for; one of each at a time. */
export class Administration {
  readonly #node: RaftNode;
  #changes: WaitingChange[] = [];
  #transfers: WaitingTransfer[] = [];

  constructor(node: RaftNode) {
    this.#node = node;
  }

  /** Begins a change; `done` is called exactly once, when it is committed in whole, refused, or no longer followed. */
  change(
    edit: MembershipEdit,
    options: { readonly deadlineMs: number; readonly expectedIndex: Index | null },
    done: (outcome: ChangeOutcome) => void,
  ): void {
    const { configuration } = this.#node.configurationAt;
    const target = applyEdit(configuration, edit);
    if (typeof target === "string") {
      done({ type: "refused", reason: this.#node.role === "leader" ? target : "NOT_LEADER" });
      return;
    }
    const started = this.#node.changeMembership(target, options.expectedIndex);
    if (typeof started === "string") done({ type: "refused", reason: started });
    else this.#changes.push({ startIndex: started, term: this.#node.term, deadlineMs: options.deadlineMs, done });
  }

  /** Begins a transfer to a member, or to the best one; `done` is called exactly once. */
  transfer(target: string | null, deadlineMs: number, done: (outcome: TransferOutcome) => void): void {
    const node = this.#node;
    const member = target === null ? undefined : findMember(node.configuration, target);
    if (target !== null && member === undefined) {
      done({ type: "refused", reason: node.role === "leader" ? "MEMBER_UNKNOWN" : "NOT_LEADER" });
      return;
    }
    if (member !== undefined && member.id === node.id && node.role === "leader") {
      done({ type: "transferred", from: node.id, to: node.id });
      return;
    }
    const started = node.transferLeadership(member?.id ?? null);
    if (typeof started === "string") done({ type: "refused", reason: started });
    else this.#transfers.push({ from: node.id, to: started.target, term: node.term, deadlineMs, done });
  }

  /** Ends what has come to its end; to be called every turn. */
  settle(nowMs: number): void {
    if (this.#changes.length > 0) this.#changes = this.#changes.filter((change) => !this.#settleChange(change, nowMs));
    if (this.#transfers.length > 0) {
      this.#transfers = this.#transfers.filter((transfer) => !this.#settleTransfer(transfer, nowMs));
    }
  }

  /** Ends everything: nobody follows it any more. */
  clear(): void {
    for (const { done } of this.#changes.splice(0)) done({ type: "unknown" });
    for (const { done } of this.#transfers.splice(0)) done({ type: "failed" });
  }

  #settleChange({ startIndex, term, deadlineMs, done }: WaitingChange, nowMs: number): boolean {
    const { index, configuration } = this.#node.configurationAt;
    const ended = index >= startIndex && index <= this.#node.commitIndex && !isJoint(configuration);
    // Within its term nothing that a leader appended goes; later it has to be there still, which cannot be told once it is compacted.
    const isOwn = this.#node.term === term || this.#node.termAt(startIndex) === term;
    if (ended && isOwn) done({ type: "changed", configuration, index });
    else if (nowMs >= deadlineMs || this.#node.term !== term) done({ type: "unknown" });
    else return false;
    return true;
  }

  #settleTransfer({ from, to, term, deadlineMs, done }: WaitingTransfer, nowMs: number): boolean {
    const { leaderId, role } = this.#node;
    if (this.#node.term > term && leaderId !== null) {
      done(leaderId === to ? { type: "transferred", from, to } : { type: "failed" });
      return true;
    }
    const givenUp = role === "leader" && this.#node.term === term && !this.#node.transferring;
    if (!givenUp && nowMs < deadlineMs) return false;
    done({ type: "failed" });
    return true;
  }
}
