const minuteMs = 60_000;

/**
 * Limits of the state machine. They decide what a command does, so they are part of the replicated rules: every member must
 * run with the same values, and a change of one is a change of the state machine.
 */
export interface KvLimits {
  /** Live sessions; opening one more ends the least recently used. Default 10,000. */
  readonly sessionsMax: number;
  /** Log time without use after which a session is over, milliseconds. Default 1 h. */
  readonly sessionIdleMs: number;
  /** Precision with which the last use is kept, milliseconds: a busy session moves in the expiry index this often. Default 1 min. */
  readonly expiryBucketMs: number;
  /** Overdue sessions that one command ends. Default 16. */
  readonly sessionsEndedPerCommandMax: number;
  /** Ended sessions that are remembered. Default 1,000,000. */
  readonly endedSessionsMax: number;
  /** Log time for which an ended session is remembered, milliseconds. Default 7 days. */
  readonly endedSessionRetentionMs: number;
  /** Ended sessions that one command forgets; more than it can end, so that forgetting keeps up. Default 32. */
  readonly endedSessionsForgottenPerCommandMax: number;
  /** Answers that a session may hold. Default 4096. */
  readonly pendingAnswersMax: number;
  /** Answers of this size and above count against `largeAnswersBytesMax`, bytes. Default 1 KiB. */
  readonly largeAnswerBytes: number;
  /** Bytes of large answers at which a session takes no new request. Default 16 MiB. */
  readonly largeAnswersBytesMax: number;
  /** Answer rows that one command removes for its own session, and as many for ended ones. Default 64. */
  readonly answersRemovedPerCommandMax: number;
}

/** The limits in force unless a test asks for others. */
export const defaultKvLimits: KvLimits = Object.freeze({
  sessionsMax: 10_000,
  sessionIdleMs: 60 * minuteMs,
  expiryBucketMs: minuteMs,
  sessionsEndedPerCommandMax: 16,
  endedSessionsMax: 1_000_000,
  endedSessionRetentionMs: 7 * 24 * 60 * minuteMs,
  endedSessionsForgottenPerCommandMax: 32,
  pendingAnswersMax: 4096,
  largeAnswerBytes: 1024,
  largeAnswersBytesMax: 16 * 1024 * 1024,
  answersRemovedPerCommandMax: 64,
});
