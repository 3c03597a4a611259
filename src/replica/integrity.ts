import { assert } from "../lib/assert.ts";
import type { Logger } from "../lib/logger.ts";
import type { Index, LogPosition } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { Divergence } from "../storage/divergence.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { PeerTransport, StateHashReport } from "../transport/peer-transport.ts";
import type { Applier } from "./applier.ts";
import { HashExchange } from "./hash-exchange.ts";
import { type HashOutcome, HashWaiters } from "./hash-waiters.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { StateHash } from "./state-hash.ts";
import type { StateMachine } from "./state-machine.ts";
import { StateScrubber } from "./state-scrubber.ts";
import type { StoreWriter } from "./store-writer.ts";

//   leader: checkpoint due ──> an entry that changes nothing
//   every member: applied up to it ──> rows durable exactly there? ──> snapshot ──> StateScrubber ──> HashExchange
//                                  (applying pauses until then)                                          |
//                                                        a quorum has another hash: cut off <────────────┘

/** What looking after the state needs. */
export interface IntegrityDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly transport: PeerTransport;
  readonly stateMachine: StateMachine;
  readonly applier: Applier;
  readonly writer: StoreWriter;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Whether log and state are being replaced by a snapshot. */
  readonly isInstalling: () => boolean;
  readonly guarded: (part: () => void) => void;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
  /** Called when the state of this member turns out to be wrong: nothing may be read from it any more. */
  readonly diverged: () => void;
}

/** What is known about the state of this member. */
export interface IntegrityStatus {
  /** How the state differs from that of the majority, found now or before a restart; `null` when it is not known to. */
  readonly divergence: Divergence | null;
  /** Whether the members' states differ, and no majority agrees on one. */
  readonly split: boolean;
  /** The newest hash of the state; `null` before the first since the start. */
  readonly lastHash: StateHash | null;
}

/** Compares the state of this member with that of the others, checkpoint by checkpoint, and cuts it off when it is the one that is wrong. */
export class Integrity {
  readonly #deps: IntegrityDependencies;
  readonly #scrubber: StateScrubber;
  readonly #exchange: HashExchange;
  readonly #waiters: HashWaiters;
  #divergence: Divergence | null;
  /** The last that this member proposed; (0, 0) before the first. */
  #proposed: LogPosition = { index: 0, term: 0 };
  /** When a checkpoint was last proposed or applied here. */
  #lastMs: number;

  constructor(deps: IntegrityDependencies) {
    const { version = 1 } = deps.stateMachine;
    assert(
      Number.isInteger(version) && version >= 1 && version < 2 ** 32,
      () => `no version of a state machine: ${version}`,
    );
    this.#deps = deps;
    this.#waiters = new HashWaiters(deps.options.pendingAdministrationMax);
    this.#divergence = deps.store.divergence ?? null;
    this.#lastMs = deps.runtime.now();
    this.#scrubber = new StateScrubber({ ...deps, hashed: (result) => deps.guarded(() => this.#hashed(result)) });
    this.#exchange = new HashExchange({ ...deps, outvoted: (own, majority) => this.#outvoted(own, majority) });
  }

  get status(): IntegrityStatus {
    const { results, split } = this.#exchange;
    return { divergence: this.#divergence, split, lastHash: results.at(-1) ?? null };
  }

  /** Whether the state of this member is known to be wrong. */
  get isDiverged(): boolean {
    return this.#divergence !== null;
  }

  /**
   * Takes a checkpoint, if this member leads, and gives its hash; `done` is called exactly once, in a later turn. Who asks while
   * one is under way shares it, so that nobody who asks often keeps all others from an end.
   */
  request(deadlineMs: number, done: (outcome: HashOutcome) => void): void {
    // Looked at first: a checkpoint that nobody waits for would be an entry for nothing.
    if (this.#waiters.refuses({ done })) return;
    const index = this.#deps.node.role === "leader" ? (this.#underWay() ?? this.#propose()) : null;
    if (index === null) done({ type: "notLeader" });
    else this.#waiters.add({ index, deadlineMs, done });
  }

  /** Gives the hash at a checkpoint that was taken, or is about to be; `done` is called exactly once. */
  waitFor(index: Index, deadlineMs: number, done: (outcome: HashOutcome) => void): void {
    this.#waiters.add({ index, deadlineMs, done });
    this.#deps.wake();
  }

  /** See {@link HashExchange.heard}. */
  heard(report: StateHashReport): void {
    this.#exchange.heard(report);
  }

  /** Proposes a checkpoint when one is due, and goes on with what is under way. */
  tick(nowMs: number): void {
    const { checkIntervalMs } = this.#deps.options.integrity;
    const due = checkIntervalMs > 0 && nowMs - this.#lastMs >= checkIntervalMs;
    // A state that takes longer to read than the interval would never be read to its end.
    if (due && !this.#scrubber.busy) this.#propose();
    this.#scrubber.tick();
    this.#exchange.tick(nowMs);
    this.#settle(nowMs);
  }

  /** Takes the snapshot of a checkpoint that was just applied, as soon as the rows are durable. To be called every turn, before more is applied. */
  turn(): void {
    const { applier, writer, store, runtime, isInstalling } = this.#deps;
    const { heldAt } = applier;
    if (heldAt === null || isInstalling()) return;
    if (writer.durableAppliedIndex < heldAt) {
      writer.flushRows("now");
      return;
    }
    const snapshot = store.openSnapshot();
    const { appliedIndex } = snapshot;
    assert(appliedIndex === heldAt, () => `the durable state stands at ${appliedIndex}, applying pauses at ${heldAt}`);
    this.#lastMs = runtime.now();
    this.#scrubber.begin(snapshot);
    applier.release();
  }

  /** Files of another member are the state now, which nobody here has read yet: all rows are, at the rate of every scrub. */
  filesInstalled(): void {
    this.#scrubber.readBack(this.#deps.store.openSnapshot());
  }

  /** Lets go of everything. */
  close(): void {
    this.#scrubber.close();
    this.#waiters.clear();
  }

  /** A checkpoint of which there is no hash yet, proposed by this leader or applied; `null` when there is none. */
  #underWay(): Index | null {
    const { node, applier } = this.#deps;
    const { index, term } = this.#proposed;
    if (term === node.term && index > applier.appliedIndex) return index;
    return applier.heldAt ?? this.#scrubber.hashing;
  }

  #propose(): Index | null {
    const { node, runtime, wake } = this.#deps;
    const index = node.proposeCheckpoint();
    if (index === null) return null;
    this.#proposed = { index, term: node.term };
    this.#lastMs = runtime.now();
    wake();
    return index;
  }

  #hashed(result: StateHash): void {
    const { runtime, logger } = this.#deps;
    const nowMs = runtime.now();
    logger.info({ ...result }, "hashed the state");
    this.#exchange.publish(result, nowMs);
    this.#settle(nowMs);
  }

  #settle(nowMs: number): void {
    this.#waiters.settle((index) => this.#hashAt(index), nowMs);
  }

  #hashAt(index: Index): StateHash | "expected" | "skipped" {
    const { applier } = this.#deps;
    const found = this.#exchange.results.find((result) => result.index === index);
    if (found !== undefined) return found;
    const toCome = applier.appliedIndex < index || applier.heldAt === index || this.#scrubber.hashing === index;
    return toCome ? "expected" : "skipped";
  }

  #outvoted({ index, hash }: StateHash, majorityHash: string): void {
    const { store, logger, fail, diverged } = this.#deps;
    if (this.#divergence !== null) return;
    this.#divergence = { index, hash, majorityHash };
    logger.error(
      { index, hash, majorityHash },
      "STATE_DIVERGED: the state of this member differs from that of the majority; replace the member",
    );
    store.markDiverged(this.#divergence).catch(fail);
    diverged();
  }
}
