import type { Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { StateSnapshot } from "../storage/state-snapshot.ts";
import type { StoreWriter } from "./store-writer.ts";

/** The state at one index of the log, whatever is applied meanwhile; to be closed. */
export interface StateAt {
  readonly base: LogBase;
  readonly snapshot: StateSnapshot;
}

/** What opening needs. */
export interface StateOpenerDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly writer: StoreWriter;
  /** Whether log and state are being replaced by a snapshot. */
  readonly isInstalling: () => boolean;
}

interface OpenRequest {
  readonly appliedIndex: Index;
  readonly deadlineMs: number;
  readonly done: (state: StateAt | null) => void;
}

/** Opens the durable state for who wants all of it, such as a backup, once what is applied when they ask is durable. */
export class StateOpener {
  readonly #deps: StateOpenerDependencies;
  #requests: OpenRequest[] = [];

  constructor(deps: StateOpenerDependencies) {
    this.#deps = deps;
  }

  /** Calls `done` once, with `null` when the state was not durable in time or the member stops. */
  request(request: OpenRequest): void {
    this.#requests.push(request);
  }

  /** Opens what can be opened. To be called every tick. */
  tick(nowMs: number): void {
    if (this.#requests.length === 0) return;
    const { writer, isInstalling } = this.#deps;
    const waiting: OpenRequest[] = [];
    for (const request of this.#requests.splice(0)) {
      if (request.deadlineMs <= nowMs) request.done(null);
      else if (!isInstalling() && writer.durableAppliedIndex >= request.appliedIndex) request.done(this.#open());
      else waiting.push(request);
    }
    this.#requests.push(...waiting);
    if (waiting.length > 0 && !isInstalling()) writer.flushRows("now");
  }

  /** Ends every request. */
  clear(): void {
    for (const { done } of this.#requests.splice(0)) done(null);
  }

  #open(): StateAt {
    const snapshot = this.#deps.store.openSnapshot();
    return { snapshot, base: this.#deps.node.logBaseAt(snapshot.appliedIndex) };
  }
}
