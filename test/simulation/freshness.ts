import type { ReplicaStatus } from "../../src/replica/replica-status.ts";
import type { ReadPolicy } from "../../src/server/validate-request.ts";
import { check } from "./broken-rule.ts";
import type { Coverage } from "./coverage.ts";
import { isQuorum } from "./membership-rules.ts";
import type { SimMember } from "./sim-member.ts";

/** A read as it is served. */
export interface ServedRead {
  readonly policy: ReadPolicy;
  readonly revision: number;
  /** What any client knew to be applied when the read began. */
  readonly floor: number;
}

/** What a read's freshness is judged by: a whole status takes long to make, and reads are many. */
export type ReadStatus = Pick<ReplicaStatus, "appliedIndex" | "role" | "configuration">;

/** What each consistency level promises about the state that a read is served from (docs/guarantees.md). */
export class Freshness {
  readonly #coverage: Coverage;

  constructor(coverage: Coverage) {
    this.#coverage = coverage;
  }

  /** A member serves a read. */
  check(member: SimMember, status: ReadStatus, { policy, revision, floor }: ServedRead): void {
    const { appliedIndex, role } = status;
    check(
      revision >= policy.minRevision,
      "reads are of the revision that was asked for",
      () => `${member.id} serves revision ${revision}, asked for ${policy.minRevision}`,
    );
    if (!policy.linearizable) {
      this.#coverage.saw("staleRead");
      if (policy.staleMsMax !== undefined) this.#checkStaleness(member, status, policy.staleMsMax);
      return;
    }
    check(
      appliedIndex >= floor,
      "reads are linearizable",
      () => `${member.id} serves entry ${appliedIndex}; ${floor} was acknowledged before the read began`,
    );
    this.#coverage.saw(role === "leader" ? "leaderServedLinearizableRead" : "followerServedLinearizableRead");
  }

  /** A bound is on the time without contact, and holds from when all is applied that was acknowledged before the start. */
  #checkStaleness({ id, process }: SimMember, status: ReadStatus, staleMsMax: number): void {
    if (process === undefined) return;
    const { nowMs, contacts, acknowledgedAtStart } = process;
    const sinceMs = nowMs - staleMsMax;
    const heardLeader = contacts.leaderMs >= sinceMs;
    const heardQuorum =
      status.role === "leader" &&
      isQuorum(status.configuration, (peer) => peer === id || contacts.peerMs(peer) >= sinceMs);
    check(
      heardLeader || heardQuorum,
      "stale reads are within their bound",
      () =>
        `${id} (${status.role}) has heard no leader for ${nowMs - contacts.leaderMs} ms; the bound is ${staleMsMax}`,
    );
    check(
      status.appliedIndex >= acknowledgedAtStart,
      "bounded reads wait until the member has caught up",
      () => `${id} serves ${status.appliedIndex}; ${acknowledgedAtStart} was acknowledged when it started`,
    );
    this.#coverage.saw("boundedRead");
  }
}
