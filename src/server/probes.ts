import { isMember } from "../raft/configuration.ts";
import type { ReplicaPort } from "./replica-port.ts";
import type { ServerIdentity } from "./server-identity.ts";

/** Result of one check of a probe. */
export interface ProbeCheck {
  readonly name: string;
  /** Why it failed; `undefined` when it is well. */
  readonly problem: string | undefined;
}

const divergedProblem = "STATE_DIVERGED: the state differs from that of the majority; replace this member";

/** What the probes look at. */
export interface ProbesOptions {
  readonly replica: ReplicaPort;
  readonly identity: ServerIdentity;
  /** Age of the disk write under way, milliseconds; 0 when there is none. Default: not looked at. */
  readonly diskWriteAgeMs?: () => number;
  /** A disk write that takes longer means that the disk is stuck. Default 30 s. */
  readonly diskWriteMsMax?: number;
  /** Committed entries that may wait to be applied. Default 10,000. */
  readonly applyLagEntriesMax?: number;
  /** How long they may be exceeded before the member is not ready. Default 30 s. */
  readonly applyLagMsMax?: number;
}

/**
 * Whether this member lives, has started and is ready, told from what it knows of itself: no probe asks another member.
 *
 * Ready is latched: a member that has once caught up since it started stays ready when the leader is lost, because taking
 * it out of service would turn "no leader" into "connection refused" for every client at once. Liveness never depends on
 * the cluster: restarting a member heals no lost quorum.
 */
export class Probes {
  readonly #options: ProbesOptions;
  #started = false;
  #draining = false;
  #caughtUp = false;
  #laggingSinceMs: number | undefined;

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** The listeners are up and the data is loaded. */
  markStarted(): void {
    this.#started = true;
  }

  /** The member is about to stop. */
  markDraining(): void {
    this.#draining = true;
  }

  /** Whether the process should be left alone. */
  live(): readonly ProbeCheck[] {
    const { diskWriteAgeMs, diskWriteMsMax = 30_000 } = this.#options;
    const eventLoop = { name: "event-loop", problem: undefined };
    if (diskWriteAgeMs === undefined) return [eventLoop];
    const age = diskWriteAgeMs();
    const stuck = `a write has taken ${Math.round(age)} ms; the limit is ${diskWriteMsMax} ms`;
    return [eventLoop, { name: "disk", problem: age > diskWriteMsMax ? stuck : undefined }];
  }

  /** Whether the start is over. */
  started(): readonly ProbeCheck[] {
    return [{ name: "started", problem: this.#started ? undefined : "listeners are not up yet" }];
  }

  /** Whether this member should be given calls. */
  ready(): readonly ProbeCheck[] {
    const { replica, identity } = this.#options;
    const status = replica.status();
    if (status.caughtUp) this.#caughtUp = true;
    const behind = `has not caught up since it started (applied ${status.appliedIndex}, committed ${status.commitIndex})`;
    const member = isMember(status.configuration, identity.memberId);
    return [
      ...this.started(),
      { name: "caught-up", problem: this.#caughtUp ? undefined : behind },
      { name: "apply-lag", problem: this.#applyLagProblem(status.commitIndex - status.appliedIndex) },
      { name: "membership", problem: member ? undefined : "is not a member of the configuration in force" },
      { name: "integrity", problem: replica.isDiverged() ? divergedProblem : undefined },
      { name: "draining", problem: this.#draining ? "is shutting down" : undefined },
    ];
  }

  #applyLagProblem(lag: number): string | undefined {
    const { replica, applyLagEntriesMax = 10_000, applyLagMsMax = 30_000 } = this.#options;
    if (lag <= applyLagEntriesMax) {
      this.#laggingSinceMs = undefined;
      return undefined;
    }
    const now = replica.now();
    this.#laggingSinceMs ??= now;
    if (now - this.#laggingSinceMs <= applyLagMsMax) return undefined;
    return `${lag} committed entries wait to be applied; the limit is ${applyLagEntriesMax} for ${applyLagMsMax} ms`;
  }
}

/** Whether every check is well. */
export function allWell(checks: readonly ProbeCheck[]): boolean {
  return checks.every((check) => check.problem === undefined);
}

/** Checks as lines for people, in the form that the field's probes have: `[+]name ok`, `[-]name failed: why`. */
export function describeChecks(checks: readonly ProbeCheck[]): string {
  const lines = checks.map(({ name, problem }) =>
    problem === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${problem}\n`,
  );
  return lines.join("");
}
