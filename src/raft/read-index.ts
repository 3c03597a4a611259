import type { MemberId } from "./configuration.ts";
import type { Index } from "./entry.ts";

/** A read that waits at the leader: its own, by context, or a follower's, by member and id. */
export type ReadOrigin =
  | { readonly type: "local"; readonly context: number }
  | { readonly type: "remote"; readonly from: MemberId; readonly id: number };

/** Reads that one heartbeat round confirms. */
interface ReadRound {
  /** Heartbeats of this round or a later one were sent after the reads came in. */
  readonly round: number;
  /** Commit index when the reads came in. */
  readonly index: Index;
  readonly origins: readonly ReadOrigin[];
}

/** A read that may be served once `index` is applied. */
export interface ConfirmedRead {
  readonly origin: ReadOrigin;
  readonly index: Index;
}

/**
 * The leader's linearizable reads (thesis, section 6.4). Reads gather while a round is under way; the next round takes
 * all of them at once. Every broadcast of heartbeats is a round with a number of its own, so that an answer can only
 * confirm reads that came in before its question was asked.
 */
export class ReadIndexQueue {
  #gathering: ReadOrigin[] = [];
  #rounds: ReadRound[] = [];

  /** Reads that wait. */
  get size(): number {
    return this.#rounds.reduce((sum, round) => sum + round.origins.length, this.#gathering.length);
  }

  /** Whether reads have come in since the last round began. */
  get hasGathered(): boolean {
    return this.#gathering.length > 0;
  }

  /** Whether a round waits for its quorum. */
  get roundUnderWay(): boolean {
    return this.#rounds.length > 0;
  }

  add(origin: ReadOrigin): void {
    this.#gathering.push(origin);
  }

  /** The reads gathered so far go with `round`, whose heartbeats leave now. */
  beginRound(round: number, commitIndex: Index): void {
    if (this.#gathering.length === 0) return;
    this.#rounds.push({ round, index: commitIndex, origins: this.#gathering });
    this.#gathering = [];
  }

  /** Takes the reads of every round up to `round`, which a quorum has answered. */
  confirm(round: number): ConfirmedRead[] {
    const confirmed: ConfirmedRead[] = [];
    while (this.#rounds[0] !== undefined && this.#rounds[0].round <= round) {
      const { index, origins } = this.#rounds[0];
      for (const origin of origins) confirmed.push({ origin, index });
      this.#rounds.shift();
    }
    return confirmed;
  }

  /** Takes every read, confirmed or not: leadership is lost. */
  clear(): ReadOrigin[] {
    const origins = [...this.#rounds.flatMap((round) => round.origins), ...this.#gathering];
    this.#rounds = [];
    this.#gathering = [];
    return origins;
  }

  /** The reads that wait, as plain values. */
  toJSON(): object {
    return { gathering: this.#gathering, rounds: this.#rounds };
  }
}
