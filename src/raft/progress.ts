import { invariant } from "./assert.ts";
import type { Index } from "./entry.ts";
import { type InflightLimits, Inflights } from "./inflights.ts";

/**
 * How the leader sends to a follower. `probe`: the follower's log is not known, one message at a time. `replicate`: it is
 * known, messages follow one another without waiting. `snapshot`: it lacks entries that the leader does not have any more,
 * and gets no others until it has fetched a snapshot.
 */
export type ProgressState = "probe" | "replicate" | "snapshot";

/** What a leader knows of one follower. Invariant: `matchIndex < nextIndex`. */
export class Progress {
  state: ProgressState = "probe";
  /** Last index known to match and to be durable on the follower; never runs back. */
  matchIndex: Index = 0;
  /** Next index to send. */
  nextIndex: Index;
  /** Highest commit index sent. */
  sentCommitIndex: Index = 0;
  /** Not while replicating: a message is under way, so wait for its answer or for the next loss check. */
  probeSent = false;
  /** A heartbeat interval has passed since its answers were last taken for news of lost messages. */
  lossCheckDue = false;
  /** Entries for it are being read from the store. */
  readingLog = false;
  /** Heard from since the last quorum check. */
  recentlyActive = false;
  /** Core time of the last message from it; `null` when there was none in this term. */
  lastContactMs: number | null = null;
  /** Highest heartbeat round that it answered. */
  ackedRound = 0;
  /** By this leader's clock: until then it elects nobody else. 0 while it has promised nothing. */
  promisedUntilMs = 0;
  /** Catching up goes in rounds: one ends when `matchIndex` reaches where the log ended when it began. */
  roundEndIndex: Index;
  roundBeganMs: number;
  /** Whether the last round took less than an election timeout. */
  roundTaken = false;
  readonly inflights: Inflights;

  constructor(nextIndex: Index, limits: InflightLimits, nowMs: number) {
    this.nextIndex = nextIndex;
    this.roundEndIndex = nextIndex - 1;
    this.roundBeganMs = nowMs;
    this.inflights = new Inflights(limits);
  }

  /** Whether entries, a probe or, in state `snapshot`, an announcement may be sent now. */
  get canSend(): boolean {
    if (this.state === "snapshot") return !this.probeSent;
    if (this.readingLog) return false;
    return this.state === "probe" ? !this.probeSent : !this.inflights.full;
  }

  /** Whether it was heard from within the last `withinMs`. */
  isHeard(nowMs: number, withinMs: number): boolean {
    return this.lastContactMs !== null && nowMs - this.lastContactMs < withinMs;
  }

  /** The log is no longer known to be where `nextIndex` says: ask again from what is certain. */
  becomeProbe(): void {
    this.state = "probe";
    this.probeSent = false;
    this.inflights.reset();
    this.nextIndex = this.matchIndex + 1;
  }

  /** The follower's log is known to match up to `matchIndex`. */
  becomeReplicate(): void {
    this.state = "replicate";
    this.probeSent = false;
    this.inflights.reset();
    this.nextIndex = this.matchIndex + 1;
  }

  /** The leader's log begins after `baseIndex`, and the follower lacks entries before that. */
  becomeSnapshot(baseIndex: Index): void {
    this.state = "snapshot";
    this.probeSent = false;
    this.inflights.reset();
    this.nextIndex = baseIndex + 1;
  }

  /** Notes that entries up to `lastIndex` were sent. */
  sent(lastIndex: Index, bytes: number): void {
    if (this.state === "probe") {
      this.probeSent = true;
      return;
    }
    invariant(lastIndex >= this.nextIndex, "sent entries begin at nextIndex");
    this.nextIndex = lastIndex + 1;
    this.inflights.add(lastIndex, bytes);
  }

  /** Follows the rounds of catching up; to be told of every success, with where the leader's log ends now. */
  followRounds(nowMs: number, lastIndex: Index, roundMsMax: number): void {
    if (this.matchIndex < this.roundEndIndex) return;
    // With nothing left to send there is no further round that could show how fast it is, and no need of one.
    this.roundTaken = this.matchIndex >= lastIndex || nowMs - this.roundBeganMs < roundMsMax;
    this.roundBeganMs = nowMs;
    this.roundEndIndex = lastIndex;
  }

  /** Takes note of a success; returns whether `matchIndex` grew. Late and repeated answers change nothing. */
  matched(index: Index): boolean {
    const grew = index > this.matchIndex;
    if (grew) this.matchIndex = index;
    this.nextIndex = Math.max(this.nextIndex, index + 1);
    this.inflights.freeTo(index);
    return grew;
  }

  /**
   * Takes note of a refusal at `rejectedIndex`, with the highest index at which the logs may match; returns whether it
   * was of the present probe rather than a late one.
   */
  rejected(rejectedIndex: Index, mayMatchIndex: Index): boolean {
    if (this.state === "snapshot") return false;
    if (this.state === "replicate") {
      if (rejectedIndex <= this.matchIndex) return false;
      this.becomeProbe();
      return true;
    }
    if (rejectedIndex !== this.nextIndex - 1) return false;
    this.nextIndex = Math.max(Math.min(rejectedIndex, mayMatchIndex + 1), this.matchIndex + 1);
    this.probeSent = false;
    return true;
  }
}
