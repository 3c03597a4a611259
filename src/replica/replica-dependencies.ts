import type { Logger } from "../lib/logger.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { PeerTransport } from "../transport/peer-transport.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { StateMachine } from "./state-machine.ts";

/** What a replica is made of; everything that touches the world is injected. */
export interface ReplicaDependencies {
  readonly store: MemberStore;
  readonly transport: PeerTransport;
  readonly stateMachine: StateMachine;
  readonly runtime: Runtime;
  readonly metrics: ReplicaMetrics;
  readonly logger: Logger;
  readonly options: ReplicaOptions;
  /** Seed of the election jitter and of ids that must not repeat; different on every member and at every start. */
  readonly seed: number;
  /** Called once when the replica's state can no longer be trusted, such as after a failed write: the process must end. */
  readonly onFatal: (error: unknown) => void;
  /** Bytes left on the disk of the store, as far as known; `null` when not. Default: not known. */
  readonly availableBytes?: () => number | null;
}

/** How a caller wants an operation handled. */
export interface CallOptions {
  /** Monotonic time, as the replica tells it, after which the caller no longer waits. */
  readonly deadlineMs: number;
  /** Whether a follower may pass the call on to the leader. */
  readonly forward: boolean;
}
