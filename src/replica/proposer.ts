import type { RaftNode } from "../raft/raft-node.ts";
import type { ForwardRequest, PeerTransport } from "../transport/peer-transport.ts";
import type { Forwarder } from "./forwarder.ts";
import type { ProposalOutcome } from "./outcome.ts";
import { AppendedProposals, drop, type Proposal } from "./proposal.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { SpaceGuard } from "./space-guard.ts";
import type { CommandNature } from "./state-machine.ts";

/** What proposing needs. */
export interface ProposerDependencies {
  readonly node: RaftNode;
  readonly transport: PeerTransport;
  readonly forwarder: Forwarder;
  readonly options: ReplicaOptions;
  readonly space: SpaceGuard;
  readonly inspect: (command: Uint8Array) => CommandNature;
  /** Whether the state of this member is known to be wrong. */
  readonly isDiverged: () => boolean;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
}

/**
 * Proposals from the moment they come in: queued for a turn, then in the log if this member leads, with the leader if it
 * follows, or held for a while when nobody leads. Each ends exactly once, and never from inside the call that brought it.
 */
export class Proposer {
  readonly #deps: ProposerDependencies;
  readonly appended = new AppendedProposals();
  #queue: Proposal[] = [];
  /** To be tried again at the next tick, not at once, so that a member that refuses is not asked in a spin. */
  #again: Proposal[] = [];
  #draining = false;
  /** Bytes of commands that have not ended; 0 when none has. */
  #bytes = 0;

  constructor(deps: ProposerDependencies) {
    this.#deps = deps;
  }

  /** Proposals that have not ended. */
  get size(): number {
    return this.#queue.length + this.#again.length + this.appended.size + this.#deps.forwarder.size;
  }

  /** Takes no more proposals; those under way go on. */
  drain(): void {
    this.#draining = true;
  }

  /** Takes a client's proposal on, or drops it in a later turn. */
  add(proposal: Omit<Proposal, "receivedMs">): void {
    const { runtime } = this.#deps;
    const counted = { ...proposal, receivedMs: runtime.now(), done: this.#counted(proposal.done) };
    if (this.#draining) runtime.soon(() => drop(counted, "SHUTTING_DOWN"));
    else if (this.#isFull(proposal.command)) runtime.soon(() => drop(counted, "OVERLOADED"));
    else this.#take(counted);
  }

  #isFull(command: Uint8Array): boolean {
    const { pendingProposalsMax, pendingProposalBytesMax } = this.#deps.options;
    return this.size >= pendingProposalsMax || this.#bytes + command.length > pendingProposalBytesMax;
  }

  #take(proposal: Proposal): void {
    const { done } = proposal;
    const bytes = proposal.command.length;
    this.#bytes += bytes;
    this.#queue.push({
      ...proposal,
      done: (outcome) => {
        this.#bytes -= bytes;
        done(outcome);
      },
    });
  }

  /** Takes on commands that another member passed on. They are not passed on again: their sender knows better who leads. */
  addForwarded(request: ForwardRequest, nowMs: number): void {
    for (const [position, { command, timeoutMs }] of request.commands.entries()) {
      const done = this.#deps.forwarder.answerTo(request, position);
      const proposal = { command, deadlineMs: nowMs + timeoutMs, forward: false, receivedMs: nowMs, done };
      // A draining leader is on its way out: the sender keeps the command for the next one.
      if (this.#draining) drop(proposal, "NOT_LEADER");
      // In the log it would stop every member that applies it, so it must not get there.
      else if (this.#deps.inspect(command) === "unknown") drop(proposal, "UNSUPPORTED_COMMAND");
      else if (this.#isFull(command)) drop(proposal, "OVERLOADED");
      else this.#take(proposal);
    }
  }

  /** Keeps proposals for another attempt that were certainly not proposed, or that may be applied twice without harm. */
  tryAgain(proposals: readonly Proposal[]): void {
    this.#again.push(...proposals);
  }

  /** Ends what has waited until its deadline, and queues what is to be tried again. */
  tick(nowMs: number): void {
    this.appended.expire(nowMs);
    this.#deps.forwarder.expire(nowMs);
    if (this.#again.length > 0) this.#queue.push(...this.#again.splice(0));
  }

  /** Proposes what is queued, or passes it on. */
  proposeQueued(): void {
    if (this.#queue.length === 0) return;
    const queue = this.#queue;
    this.#queue = [];
    const nowMs = this.#deps.runtime.now();
    const live = queue.filter((proposal) => {
      if (proposal.deadlineMs > nowMs) return true;
      drop(proposal, "DEADLINE_EXCEEDED");
      return false;
    });
    if (this.#deps.node.role === "leader") this.#append(live);
    else this.#passOn(live, nowMs);
  }

  #append(given: readonly Proposal[]): void {
    const { node, runtime, space, isDiverged } = this.#deps;
    if (isDiverged()) {
      // About to hand over, it must not answer of its own state: the next leader will.
      this.tryAgain(given);
      return;
    }
    if (given.length > 0) space.look();
    const proposals = given.filter((proposal) => {
      const refused = space.refuses(proposal.command);
      if (refused) drop(proposal, "NO_SPACE");
      return !refused;
    });
    if (proposals.length === 0) return;
    const commands = proposals.map((proposal) => proposal.command);
    const result = node.propose(commands, runtime.wallClockMs());
    if (result.type === "appended") this.appended.add(proposals, result.firstIndex, result.term);
    else if (result.reason === "TRANSFER_IN_PROGRESS") this.tryAgain(proposals);
    else for (const proposal of proposals) drop(proposal, result.reason);
  }

  #passOn(proposals: readonly Proposal[], nowMs: number): void {
    const { node, transport, forwarder, options } = this.#deps;
    const forwardable = proposals.filter((proposal) => {
      if (!proposal.forward) drop(proposal, "NOT_LEADER");
      return proposal.forward;
    });
    const { leaderId } = node;
    // Sent onto a link that is down they would be lost, and nobody could tell that they were never proposed.
    if (leaderId !== null && transport.stats().get(leaderId)?.connected === true) {
      transport.send(leaderId, forwarder.send(leaderId, forwardable, nowMs));
      return;
    }
    for (const proposal of forwardable) {
      if (nowMs - proposal.receivedMs >= options.leaderWaitMs) drop(proposal, "NO_LEADER");
      else this.#queue.push(proposal);
    }
  }

  /** Ends everything: as unknown what may be in a log, as dropped what is not. */
  clear(): void {
    this.appended.clear();
    this.#deps.forwarder.clear();
    for (const proposal of [...this.#queue.splice(0), ...this.#again.splice(0)]) drop(proposal, "SHUTTING_DOWN");
  }

  /** Tells the metrics how a client's proposal ended. */
  #counted(done: (outcome: ProposalOutcome) => void): (outcome: ProposalOutcome) => void {
    const { metrics } = this.#deps;
    return (outcome) => {
      if (outcome.type === "applied") metrics.proposals("applied");
      else if (outcome.type === "unknown") metrics.proposals("timeout");
      else metrics.proposals(outcome.reason === "OVERLOADED" ? "overloaded" : "dropped");
      done(outcome);
    };
  }
}
