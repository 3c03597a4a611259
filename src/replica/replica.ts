import type { MemberId } from "../raft/configuration.ts";
import type { Index, Term } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { PeerHello } from "../transport/peer-transport.ts";
import type { ChangeOutcome, TransferOutcome } from "./administration.ts";
import type { CompactionOutcome } from "./compactor.ts";
import type { HashOutcome } from "./hash-waiters.ts";
import type { MembershipEdit } from "./membership-edit.ts";
import type { ProposalOutcome, ReadDone } from "./outcome.ts";
import type { CallOptions, ReplicaDependencies } from "./replica-dependencies.ts";
import { ReplicaLoop } from "./replica-loop.ts";
import { type Freshness, leaderContactAgeMs, type ReplicaStatus, replicaStatus } from "./replica-status.ts";
import { surveyRows } from "./row-survey.ts";
import type { OpenOutcome } from "./state-opener.ts";
import { StateView } from "./state-view.ts";

/** What may be looked at of a member's core. */
export type CoreView = Pick<
  RaftNode,
  "role" | "term" | "leaderId" | "commitIndex" | "firstIndex" | "lastIndex" | "configurationAt" | "progress"
>;

/** One member at work: core, state machine, store and transport, driven by one loop. */
export class Replica {
  readonly #deps: ReplicaDependencies;
  readonly #view: StateView;
  readonly #loop: ReplicaLoop;
  #closing: Promise<void> | undefined;

  private constructor(deps: ReplicaDependencies, view: StateView) {
    this.#deps = deps;
    this.#view = view;
    this.#loop = new ReplicaLoop(deps, view);
  }

  /** Recovers the state from the store and begins to take part in the cluster. Rejects when an address cannot be bound. */
  static async open(deps: ReplicaDependencies): Promise<Replica> {
    const { store, stateMachine } = deps;
    const view = await StateView.load(store, stateMachine.indexPrefix);
    const takeUp = await surveyRows(stateMachine, (range) => store.iterateState(range));
    takeUp();
    const replica = new Replica(deps, view);
    await replica.#loop.start();
    return replica;
  }

  /** The monotonic clock that deadlines refer to, milliseconds. */
  now(): number {
    return this.#deps.runtime.now();
  }

  /** The member's view of itself and of the cluster. */
  status(): ReplicaStatus {
    return replicaStatus(this.#loop.node, {
      nowMs: this.now(),
      appliedIndex: this.#loop.applier.appliedIndex,
      logSizeBytes: this.#deps.store.logSizeBytes,
      caughtUp: this.#loop.reader.caughtUp,
      pendingProposals: this.#loop.proposer.size,
      snapshotReceived: this.#loop.snapshots.receiving,
      snapshotsSent: this.#loop.snapshots.sending,
      space: this.#loop.space.status,
      integrity: this.#loop.integrity.status,
    });
  }

  /** How current the state is, without the cost of the whole status. */
  freshness(): Freshness {
    const { node, reader } = this.#loop;
    return { caughtUp: reader.caughtUp, leaderContactAgeMs: leaderContactAgeMs(node, this.now()) };
  }

  /** The core's own facts, to be looked at only: always those of the moment, and for nothing, unlike {@link status}. */
  get core(): CoreView {
    return this.#loop.node;
  }

  /** Last entry whose effects the state has. */
  get appliedIndex(): Index {
    return this.#loop.applier.appliedIndex;
  }

  /** Proposals that have not ended. */
  get pendingProposals(): number {
    return this.#loop.proposer.size;
  }

  /** Reads, and waits for a revision, that have not ended. */
  get pendingReads(): number {
    return this.#loop.reader.size;
  }

  /** Term and leader as far as known. */
  leadership(): { readonly term: Term; readonly leaderId: MemberId | null } {
    return this.#loop.node;
  }

  /** A row of the state as applied at present, not to be changed. Throws, and stops the member, when it cannot be read. */
  stateRow(key: Uint8Array): Uint8Array | undefined {
    return this.#view.getOrFail(key, (error) => this.#loop.fail(error));
  }

  /** How long the oldest disk write under way has taken so far, to the tick, milliseconds; 0 when there is none. */
  diskWriteAgeMs(): number {
    return this.#loop.disk.ageMs;
  }

  /** Tells whether the disk has less space left than it must have: then nothing may be added to the state. */
  noteDiskSpace(low: boolean): void {
    this.#loop.space.noteDisk(low);
  }

  /** Whether the state of this member is known to be wrong, so that nothing may be read from it; see `STATE_DIVERGED` in docs/errors.md. */
  isDiverged(): boolean {
    return this.#loop.integrity.isDiverged;
  }

  /** What a peer told about itself; `undefined` before its first hello. */
  peerHello(memberId: MemberId): PeerHello | undefined {
    return this.#loop.peers.hello(memberId);
  }

  /** Calls `listener` after a turn in which role, term, leader, configuration or readiness changed; returns how to stop it. */
  onChange(listener: () => void): () => void {
    this.#loop.listeners.add(listener);
    return () => this.#loop.listeners.delete(listener);
  }

  /** Proposes a command; `done` is called exactly once, in a later turn. */
  propose(command: Uint8Array, options: CallOptions, done: (outcome: ProposalOutcome) => void): void {
    this.#loop.proposer.add({ command, ...options, done });
    this.#loop.wake();
  }

  /**
   * Asks when the local state may be read linearizably; `done` is called exactly once, in a later turn. With leases on it can
   * ask, once it has read, whether the lease still holds.
   */
  readIndex(options: CallOptions, done: ReadDone): void {
    this.#loop.reader.add({ ...options, receivedMs: this.now(), done });
    this.#loop.wake();
  }

  /**
   * Calls `done` when `reached()` holds, looked at after every batch applied, or with false: at the deadline, at once when as many
   * wait as reads may (`pendingReadsMax`), and when no more reads are taken. It is called exactly once, in a later turn.
   */
  waitApplied(reached: () => boolean, deadlineMs: number, done: (reached: boolean) => void): void {
    this.#loop.reader.waitApplied(reached, deadlineMs, done);
    this.#loop.wake();
  }

  /**
   * Changes the membership, if this member leads; `done` is called exactly once, in a later turn, when the change is
   * committed in whole, refused, or can no longer be followed.
   */
  changeMembership(
    edit: MembershipEdit,
    options: { readonly deadlineMs: number; readonly expectedIndex: number | null },
    done: (outcome: ChangeOutcome) => void,
  ): void {
    this.#administer(
      () => this.#loop.administration.change(edit, options, done),
      () => done({ type: "refused", reason: "NOT_LEADER" }),
    );
  }

  /**
   * Hands leadership to a member named by id or name, or to the voter that is furthest along, if this member leads; `done`
   * is called exactly once, in a later turn.
   */
  transferLeadership(target: string | null, deadlineMs: number, done: (outcome: TransferOutcome) => void): void {
    this.#administer(
      () => this.#loop.administration.transfer(target, deadlineMs, done),
      () => done({ type: "refused", reason: "NOT_LEADER" }),
    );
  }

  /**
   * Compacts this member's log up to what is applied now, but for `trailingEntries`, by default as many as the options say;
   * `done` is called exactly once, in a later turn.
   */
  compact(
    options: { readonly trailingEntries: number | null; readonly deadlineMs: number },
    done: (outcome: CompactionOutcome) => void,
  ): void {
    this.#administer(
      () => this.#loop.compactor.request({ ...options, appliedIndex: this.#loop.applier.appliedIndex }, done),
      () => done({ type: "refused" }),
    );
  }

  /** Opens the state as durable, with at least what is applied now, for a caller that closes it; `done` is called exactly once, in a later turn. */
  openState(deadlineMs: number, done: (outcome: OpenOutcome) => void): void {
    this.#administer(
      () => this.#loop.stateOpener.request({ appliedIndex: this.#loop.applier.appliedIndex, deadlineMs, done }),
      () => done({ type: "refused" }),
    );
  }

  /**
   * Hashes the state at a checkpoint: at `index`, or at a new one if that is `null`, which only the leader can take. `done` is
   * called exactly once, in a later turn.
   */
  hashState(index: Index | null, deadlineMs: number, done: (outcome: HashOutcome) => void): void {
    const { integrity } = this.#loop;
    this.#administer(
      () => (index === null ? integrity.request(deadlineMs, done) : integrity.waitFor(index, deadlineMs, done)),
      () => done({ type: "late", index }),
    );
  }

  /**
   * Takes no more proposals and reads, and waits until those under way have ended, at most until `deadlineMs`. Until {@link close}
   * the member goes on taking part in consensus, and takes administrative calls, for which nobody waits here.
   */
  async drain(deadlineMs: number): Promise<void> {
    this.#loop.proposer.drain();
    this.#loop.reader.drain();
    await new Promise<void>((resolve) => {
      const stop = this.#deps.runtime.every(this.#deps.options.tickIntervalMs, () => {
        if (!this.#loop.stopped && this.#loop.proposer.size + this.#loop.reader.size > 0 && this.now() < deadlineMs)
          return;
        stop();
        resolve();
      });
    });
  }

  /**
   * Stops for good: what is under way ends as unknown, what was applied becomes durable, the store is closed; idempotent. After
   * a failure nothing more is written. Rejects, when everything is closed, with a write that failed meanwhile.
   */
  close(): Promise<void> {
    this.#loop.stop();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    try {
      await this.#loop.writer.finish();
    } finally {
      await this.#deps.transport.close();
      await this.#deps.store.close();
    }
  }

  #administer(begin: () => void, refuse: () => void): void {
    this.#deps.runtime.soon(() => {
      if (this.#loop.stopped) refuse();
      else this.#loop.guarded(begin);
      this.#loop.wake();
    });
  }
}
