import type { Index, Term } from "../raft/entry.ts";
import type { DropReason, ProposalOutcome } from "./outcome.ts";

/** A command on its way into the log, and whom to tell how it ended. */
export interface Proposal {
  readonly command: Uint8Array;
  /** Monotonic time after which it is no longer proposed, and after which its outcome is no longer waited for. */
  readonly deadlineMs: number;
  /** Whether a follower may pass it on to the leader. */
  readonly forward: boolean;
  /** When it came in, monotonic. */
  readonly receivedMs: number;
  /** Whether an earlier attempt may be in a log, so that it never ends as dropped. Default false. */
  readonly perhapsApplied?: true;
  /** Called exactly once. */
  readonly done: (outcome: ProposalOutcome) => void;
}

/** Ends a proposal that never got into a log. */
export function drop(proposal: Proposal, reason: DropReason): void {
  proposal.done({ type: "dropped", reason, index: 0, term: 0 });
}

/** A proposal in this member's log, by the entry that carries it. */
interface Appended {
  readonly proposal: Proposal;
  readonly index: Index;
  readonly term: Term;
}

/**
 * Proposals in the log of this member, as leader, that wait to be applied. Each is known by (index, term): another
 * leader's entry at the same index means that the proposal was overwritten and will never be applied.
 */
export class AppendedProposals {
  readonly #byIndex = new Map<Index, Appended>();

  /** Proposals that wait. */
  get size(): number {
    return this.#byIndex.size;
  }

  /** Notes proposals that stand from `firstIndex` on. What stood there before was overwritten. */
  add(proposals: readonly Proposal[], firstIndex: Index, term: Term): void {
    for (const [position, proposal] of proposals.entries()) {
      const index = firstIndex + position;
      // An entry of this member at the same index was truncated from its log; another member may still have it.
      const before = this.#byIndex.get(index);
      before?.proposal.done({ type: "unknown", index, term: before.term });
      this.#byIndex.set(index, { proposal, index, term });
    }
  }

  /** The entry (index, term) was applied with `result`: answers whoever waits for that index. */
  applied(index: Index, term: Term, result: Uint8Array): void {
    const appended = this.#take(index);
    if (appended === undefined) return;
    if (appended.term === term) appended.proposal.done({ type: "applied", result, index, term });
    else appended.proposal.done({ type: "dropped", reason: "PROPOSAL_DROPPED", index, term: appended.term });
  }

  /** Something other than a command was committed at `index`: whoever waits for it was overwritten. */
  overwritten(index: Index): void {
    const appended = this.#take(index);
    appended?.proposal.done({ type: "dropped", reason: "PROPOSAL_DROPPED", index, term: appended.term });
  }

  /** When the proposal at `index` came in; `undefined` when none waits there. */
  receivedMs(index: Index): number | undefined {
    return this.#byIndex.get(index)?.proposal.receivedMs;
  }

  /** Answers "unknown" to those whose deadline has passed: their entries may still be committed. */
  expire(nowMs: number): number {
    return this.#endWhere((appended) => appended.proposal.deadlineMs <= nowMs);
  }

  /** Entries up to `index` are known by their effects only, together: answers "unknown" to who waits for one. */
  replaced(index: Index): void {
    this.#endWhere((appended) => appended.index <= index);
  }

  /** Answers "unknown" to everyone. */
  clear(): void {
    this.#endWhere(() => true);
  }

  #endWhere(ends: (appended: Appended) => boolean): number {
    let count = 0;
    for (const appended of this.#byIndex.values()) {
      if (!ends(appended)) continue;
      this.#byIndex.delete(appended.index);
      appended.proposal.done({ type: "unknown", index: appended.index, term: appended.term });
      count++;
    }
    return count;
  }

  #take(index: Index): Appended | undefined {
    const appended = this.#byIndex.get(index);
    if (appended !== undefined) this.#byIndex.delete(index);
    return appended;
  }
}
