import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { PeerTransport, StateHashReport } from "../transport/peer-transport.ts";
import { judgeHashes } from "./hash-verdict.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { StateHash } from "./state-hash.ts";

/** What comparing needs. */
export interface HashExchangeDependencies {
  readonly node: RaftNode;
  readonly transport: PeerTransport;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly logger: Logger;
  /** Called when a quorum of the voters has another hash than this member. */
  readonly outvoted: (own: StateHash, majority: string) => void;
}

/** The newest hash of this member, and what the others came to at the same index. */
interface Comparison {
  readonly own: StateHash;
  readonly beganMs: number;
  /** Of members with the same version of the state machine. */
  readonly hashes: Map<MemberId, string>;
  /** Members that told a hash of another version: neither for nor against this one's. */
  readonly otherVersions: Set<MemberId>;
  nextAskMs: number;
  ended: boolean;
}

/**
 * Tells the peers what the own state came to, hears what theirs did, and compares what stands at one index and was
 * written by one version of the state machine. Every member decides for itself, so that none has to believe a leader whose own
 * state may be the wrong one.
 */
export class HashExchange {
  readonly #deps: HashExchangeDependencies;
  #results: StateHash[] = [];
  #comparison: Comparison | null = null;
  #split = false;

  constructor(deps: HashExchangeDependencies) {
    this.#deps = deps;
  }

  /** Hashes of the own state, the newest last. */
  get results(): readonly StateHash[] {
    return this.#results;
  }

  /** Whether the hashes of the last comparison differed without a majority. */
  get split(): boolean {
    return this.#split;
  }

  /** Keeps a hash of the own state and asks the peers for theirs. */
  publish(own: StateHash, nowMs: number): void {
    const { options, node } = this.#deps;
    this.#giveUp();
    this.#results = [...this.#results, own].slice(-options.integrity.resultsMax);
    const hashes = new Map([[node.id, own.hash]]);
    this.#comparison = { own, beganMs: nowMs, hashes, otherVersions: new Set(), nextAskMs: nowMs, ended: false };
    this.#judge(this.#comparison);
    this.tick(nowMs);
  }

  /** A peer tells its hash. One of a checkpoint that is not hashed here yet is asked for when it is. */
  heard({ from, index, hash, stateVersion, wantsAnswer }: StateHashReport): void {
    const { node, transport } = this.#deps;
    const own = this.#results.find((result) => result.index === index);
    if (own === undefined) return;
    if (wantsAnswer) transport.send(from, [reportOf(own, { from: node.id, to: from, wantsAnswer: false })]);
    const comparison = this.#comparison;
    if (comparison?.own.index !== index || comparison.hashes.has(from)) return;
    if (stateVersion !== own.stateVersion) {
      this.#passOver(comparison, from, stateVersion);
      return;
    }
    comparison.hashes.set(from, hash);
    if (hash !== own.hash) this.#tellDifference(from, own, hash);
    this.#judge(comparison);
  }

  /** Asks the peers again that have not told theirs. */
  tick(nowMs: number): void {
    const comparison = this.#comparison;
    if (comparison === null) return;
    const { askForMs, askIntervalMs } = this.#deps.options.integrity;
    if (nowMs - comparison.beganMs >= askForMs) this.#giveUp();
    else if (nowMs >= comparison.nextAskMs) {
      comparison.nextAskMs = nowMs + askIntervalMs;
      this.#ask(comparison);
    }
  }

  #ask({ own, hashes, otherVersions }: Comparison): void {
    const { node, transport } = this.#deps;
    for (const { id: to } of node.reachableMembers) {
      if (!hashes.has(to) && !otherVersions.has(to))
        transport.send(to, [reportOf(own, { from: node.id, to, wantsAnswer: true })]);
    }
  }

  #passOver({ own, otherVersions }: Comparison, peer: MemberId, theirs: number): void {
    if (otherVersions.has(peer)) return;
    otherVersions.add(peer);
    const { index, stateVersion } = own;
    this.#deps.logger.info(
      { peer, index, stateVersion, theirs },
      "not compared with a member of another state version",
    );
  }

  #judge(comparison: Comparison): void {
    if (comparison.ended) return;
    const { node, metrics, outvoted } = this.#deps;
    const { own, hashes } = comparison;
    const verdict = judgeHashes(node.configuration, own.hash, hashes);
    if (verdict.type === "pending") return;
    comparison.ended = true;
    metrics.hashCompared(verdict.type);
    this.#split = verdict.type === "split";
    if (verdict.type === "split") this.#tellSplit(comparison);
    else if (verdict.type === "outvoted") outvoted(own, verdict.majority);
  }

  /** Nobody else will tell: what is known has to do. */
  #giveUp(): void {
    const comparison = this.#comparison;
    this.#comparison = null;
    if (comparison === null || comparison.ended) return;
    const differ = new Set(comparison.hashes.values()).size > 1;
    this.#deps.metrics.hashCompared(differ ? "split" : "unfinished");
    if (!differ) return;
    this.#split = true;
    this.#tellSplit(comparison);
  }

  #tellDifference(peer: MemberId, { index, hash: own }: StateHash, hash: string): void {
    this.#deps.logger.warn({ peer, index, own, hash }, "the state of a member differs from this one's");
  }

  #tellSplit({ own: { index }, hashes }: Comparison): void {
    const told = Object.fromEntries(hashes);
    this.#deps.logger.error({ index, hashes: told }, "the states of the members differ, and no majority agrees");
  }
}

function reportOf(
  { index, hash, stateVersion }: StateHash,
  ends: Pick<StateHashReport, "from" | "to" | "wantsAnswer">,
): StateHashReport {
  return { type: "StateHashReport", ...ends, index, hash, stateVersion };
}
