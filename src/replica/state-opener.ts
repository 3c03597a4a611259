import type { Index } from "../raft/entry.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import { openStateAt, type StateAt, type StateAtDependencies } from "./state-at.ts";
import type { StoreWriter } from "./store-writer.ts";
import { type Overloaded, type WaitingCall, WaitingCalls } from "./waiting-calls.ts";

/** How a request to open the state ended. */
export type OpenOutcome =
  | { readonly type: "opened"; readonly state: StateAt }
  /** What is applied was not durable in time, a snapshot was being installed, or the member stops. */
  | { readonly type: "refused" }
  | Overloaded;

/** What opening needs. */
export interface StateOpenerDependencies extends StateAtDependencies {
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
      return { type: "opened", state: openStateAt(this.#deps) };
    });
    if (this.#requests.first !== undefined && !isInstalling()) writer.flushRows("now");
  }

  /** Ends every request. */
  clear(): void {
    this.#requests.settle(() => refused);
  }
}
