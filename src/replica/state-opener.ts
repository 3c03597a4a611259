import type { Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { StateSnapshot } from "../storage/state-snapshot.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { StoreWriter } from "./store-writer.ts";
import { type Overloaded, type WaitingCall, WaitingCalls } from "./waiting-calls.ts";

/** The state at one index of the log, whatever is applied meanwhile; to be closed. */
export interface StateAt {
  readonly base: LogBase;
  readonly snapshot: StateSnapshot;
}

/** How a request to open the state ended. */
export type OpenOutcome =
  | { readonly type: "opened"; readonly state: StateAt }
  /** What is applied was not durable in time, a snapshot was being installed, or the member stops. */
  | { readonly type: "refused" }
  | Overloaded;

/** What opening needs. */
export interface StateOpenerDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly writer: StoreWriter;
  readonly options: ReplicaOptions;
  /** Whether log and state are being replaced by a snapshot. */
  readonly isInstalling: () => boolean;
}

interface OpenRequest extends WaitingCall<OpenOutcome> {
  /** What was applied when the request came. */
  readonly appliedIndex: Index;
}

const refused = { type: "refused" } as const;

/** Opens the durable state for who wants all of it, such as a backup, once what is applied when they ask is durable. */
export class StateOpener {
  readonly #deps: StateOpenerDependencies;
  readonly #requests: WaitingCalls<OpenOutcome, OpenRequest>;

  constructor(deps: StateOpenerDependencies) {
    this.#deps = deps;
    this.#requests = new WaitingCalls(deps.options.pendingAdministrationMax);
  }

  /** Opens the state as soon as that is possible; `done` is called exactly once, at once when too many wait. */
  request(request: OpenRequest): void {
    this.#requests.add(request);
  }

  /** Opens what can be opened. To be called every tick. */
  tick(nowMs: number): void {
    const { writer, isInstalling } = this.#deps;
    this.#requests.settle(({ deadlineMs, appliedIndex }) => {
      if (deadlineMs <= nowMs) return refused;
      if (isInstalling() || writer.durableAppliedIndex < appliedIndex) return undefined;
      return { type: "opened", state: this.#open() };
    });
    if (this.#requests.first !== undefined && !isInstalling()) writer.flushRows("now");
  }

  /** Ends every request. */
  clear(): void {
    this.#requests.settle(() => refused);
  }

  #open(): StateAt {
    const snapshot = this.#deps.store.openSnapshot();
    return { snapshot, base: this.#deps.node.logBaseAt(snapshot.appliedIndex) };
  }
}
