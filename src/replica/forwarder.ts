import type { MemberId } from "../raft/configuration.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { ForwardRequest, ForwardResponse, PeerMessage } from "../transport/peer-transport.ts";
import { ForwardAnswers, ForwardedProposals } from "./forwarding.ts";
import type { ProposalOutcome } from "./outcome.ts";
import type { Proposal } from "./proposal.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { CommandNature } from "./state-machine.ts";

/** What forwarding needs. */
export interface ForwarderDependencies {
  readonly node: RaftNode;
  readonly metrics: ReplicaMetrics;
  readonly inspect: (command: Uint8Array) => CommandNature;
  /** See {@link ForwardedProposals}. */
  readonly firstBatchId: number;
}

/** Passes proposals on to the leader, and answers those that other members passed on to this one. */
export class Forwarder {
  readonly #deps: ForwarderDependencies;
  readonly #sent: ForwardedProposals;
  readonly #answers = new ForwardAnswers();

  constructor(deps: ForwarderDependencies) {
    this.#deps = deps;
    this.#sent = new ForwardedProposals(deps.firstBatchId);
  }

  /** Proposals that wait for a leader's answer. */
  get size(): number {
    return this.#sent.size;
  }

  /** Messages that carry `proposals` to `leaderId`. */
  send(leaderId: MemberId, proposals: readonly Proposal[], nowMs: number): ForwardRequest[] {
    return this.#sent.send(this.#deps.node.id, leaderId, proposals, nowMs);
  }

  /** Takes the leader's answers; returns the proposals that may be tried elsewhere. */
  answered(response: ForwardResponse): Proposal[] {
    const { metrics } = this.#deps;
    for (const { outcome } of response.results) metrics.forwarded(outcome);
    return this.#sent.answered(response);
  }

  /**
   * Gives up on anyone but `leaderId`; returns the proposals that may be tried again, the others end as unknown. What is
   * tried again never ends as dropped: the first attempt may have been applied.
   */
  takeBackUnless(leaderId: MemberId | null): Proposal[] {
    return this.#retryable(this.#sent.takeBackUnless(leaderId));
  }

  /** As {@link takeBackUnless}, of what was sent to `peer`. */
  takeBackFrom(peer: MemberId): Proposal[] {
    return this.#retryable(this.#sent.takeBackFrom(peer));
  }

  /** Ends as unknown what has waited until its deadline. */
  expire(nowMs: number): void {
    const count = this.#sent.expire(nowMs);
    if (count > 0) this.#deps.metrics.forwarded("unknown", count);
  }

  /** Ends everything as unknown. */
  clear(): void {
    for (const proposal of this.#sent.takeBackUnless(null)) endUnknown(proposal);
  }

  /** What to call when the command at `position` of another member's request has ended. */
  answerTo(request: ForwardRequest, position: number): (outcome: ProposalOutcome) => void {
    return this.#answers.answerTo(request, position);
  }

  /** Answers to send, by member. */
  takeAnswers(): ReadonlyMap<MemberId, PeerMessage[]> {
    return this.#answers.take(this.#deps.node.id);
  }

  #retryable(proposals: readonly Proposal[]): Proposal[] {
    const retryable: Proposal[] = [];
    for (const proposal of proposals) {
      if (this.#deps.inspect(proposal.command) === "retrySafe") retryable.push(perhapsApplied(proposal));
      else endUnknown(proposal);
    }
    return retryable;
  }
}

/** The proposal as one of which an earlier attempt is under way: that a later one was dropped does not tell what it came to. */
function perhapsApplied(proposal: Proposal): Proposal {
  if (proposal.perhapsApplied) return proposal;
  return {
    ...proposal,
    perhapsApplied: true,
    done: (outcome) => {
      const { type, index, term } = outcome;
      proposal.done(type === "dropped" ? { type: "unknown", index, term } : outcome);
    },
  };
}

function endUnknown(proposal: Proposal): void {
  proposal.done({ type: "unknown", index: 0, term: 0 });
}
