import { CommandFailureReason } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { encodeClientId } from "./client-id.ts";
import type { RequestId } from "./command.ts";
import { heldBySession } from "./held-bytes.ts";
import type { KvLimits } from "./kv-limits.ts";
import { type Failure, failure } from "./result.ts";
import { answerKey, endedSessionKey, expiryKey, sessionKey } from "./row-keys.ts";
import { RowMemo } from "./row-memo.ts";
import { addSequence, countSequences, hasSequence, type SequenceRuns, takeBelow } from "./sequence-runs.ts";
import {
  decodeAnswerRow,
  decodeSessionRow,
  encodeAnswerRow,
  encodeSessionRow,
  expiryBucket,
  overdueBound,
  type Session,
} from "./session.ts";
import { endLeastRecentlyUsed, mayEndSession } from "./session-end.ts";
import { existingRow } from "./state-rows.ts";
import type { Turn } from "./turn.ts";

/** A request that is new to its session and is to be executed; {@link SessionGate.keepAnswer} must follow. */
export interface Admitted {
  readonly kind: "admitted";
  readonly requestId: RequestId;
  readonly fingerprint: bigint;
  readonly clientId: Uint8Array;
  /** The session as it was, or as it is when it is opened. */
  readonly session: Session;
  /** Lowest sequence that the client has not given up, this request's word included. */
  readonly firstPending: bigint;
  /** Answers that go, and those that stay. */
  readonly answers: ReturnType<typeof takeBelow>;
}

/** What becomes of a request that names a session. */
export type Admission =
  | Admitted
  /** It was applied before; this is what it came to, byte for byte. */
  | { readonly kind: "answered"; readonly result: Uint8Array }
  | Failure;

/** Decides whether a request is executed, answered from memory, or refused; keeps the answers (Raft thesis, section 6.3). */
export class SessionGate {
  readonly #sessions: RowMemo<Session>;

  constructor(limits: KvLimits) {
    this.#sessions = new RowMemo(decodeSessionRow, limits.sessionsMax);
  }

  /** Nothing is written for a request that is refused, but that its session was used. */
  admit(turn: Turn, requestId: RequestId, fingerprint: bigint): Admission {
    const clientId = encodeClientId(requestId.clientId);
    const row = turn.rows.get(sessionKey(clientId));
    if (row === undefined) return openSession(turn, requestId, fingerprint, clientId);
    const session = this.#sessions.decode(requestId.clientId, row);
    if (session.lastUsedMs < overdueBound(turn.summary.timeMs, turn.limits)) return expired(requestId);
    const admission = judge(turn, session, requestId, fingerprint, clientId);
    if (admission.kind !== "admitted") this.#save(turn, requestId.clientId, clientId, session, session);
    return admission;
  }

  /** Keeps the answer of an admitted request, and removes answers that the client has given up. */
  keepAnswer(turn: Turn, admitted: Admitted, result: Uint8Array): void {
    const { session, requestId, fingerprint, clientId, firstPending: firstPendingSequence } = admitted;
    const { sequence } = requestId;
    for (const given of admitted.answers.taken) turn.rows.delete(answerKey(session.number, given));
    turn.rows.put(answerKey(session.number, sequence), encodeAnswerRow({ fingerprint, result }));
    const largeAnswers = session.largeAnswers.filter((answer) => answer.sequence >= firstPendingSequence);
    if (result.length >= turn.limits.largeAnswerBytes) largeAnswers.push({ sequence, bytes: result.length });
    const answers = addSequence(admitted.answers.left, sequence);
    const kept = { ...session, firstPendingSequence, answers, largeAnswers };
    turn.held.bytes += heldBySession(kept) - heldBySession(session);
    this.#save(turn, requestId.clientId, clientId, session, kept);
  }

  // Writes `session` and moves it in the expiry index, each only when it differs from `before`.
  #save(turn: Turn, id: string, clientId: Uint8Array, before: Session, session: Session): void {
    const lastUsedMs = expiryBucket(turn.summary.timeMs, turn.limits);
    if (session === before && lastUsedMs === before.lastUsedMs) return;
    if (lastUsedMs !== before.lastUsedMs) {
      turn.rows.delete(expiryKey(before.lastUsedMs, clientId));
      turn.rows.put(expiryKey(lastUsedMs, clientId), noValue);
    }
    const saved = { ...session, lastUsedMs };
    const row = encodeSessionRow(saved);
    turn.rows.put(sessionKey(clientId), row);
    this.#sessions.remember(id, row, saved);
  }
}

const noValue = new Uint8Array(0);

function judge(
  turn: Turn,
  session: Session,
  requestId: RequestId,
  fingerprint: bigint,
  clientId: Uint8Array,
): Admission {
  const { sequence, clientId: id } = requestId;
  const firstPending = laterOf(session.firstPendingSequence, requestId.firstPendingSequence);
  if (sequence < firstPending) return answeredBefore(requestId, firstPending);
  if (hasSequence(session.answers, sequence)) {
    const answer = decodeAnswerRow(existingRow(turn.rows, answerKey(session.number, sequence), "answer"));
    if (answer.fingerprint === fingerprint) return { kind: "answered", result: answer.result };
    return failure(
      CommandFailureReason.SEQUENCE_REUSED,
      `sequence ${sequence} of session "${id}" was used before for a different request`,
    );
  }
  const answers = takeBelow(session.answers, firstPending, turn.limits.answersRemovedPerCommandMax);
  const refusal = tooManyPending(turn.limits, session, answers.left, id, firstPending);
  return refusal ?? { kind: "admitted", requestId, fingerprint, clientId, session, firstPending, answers };
}

function tooManyPending(
  limits: KvLimits,
  session: Session,
  answers: SequenceRuns,
  id: string,
  firstPending: bigint,
): Failure | undefined {
  if (countSequences(answers) >= limits.pendingAnswersMax) {
    return failure(
      CommandFailureReason.TOO_MANY_PENDING,
      `session "${id}" holds ${limits.pendingAnswersMax} answers from sequence ${firstPending} on, the most it may`,
    );
  }
  let bytes = 0;
  for (const answer of session.largeAnswers) if (answer.sequence >= firstPending) bytes += answer.bytes;
  if (bytes < limits.largeAnswersBytesMax) return undefined;
  return failure(
    CommandFailureReason.TOO_MANY_PENDING,
    `session "${id}" holds large answers of ${bytes} bytes from sequence ${firstPending} on; ` +
      `the limit is ${limits.largeAnswersBytesMax}`,
  );
}

function openSession(turn: Turn, requestId: RequestId, fingerprint: bigint, clientId: Uint8Array): Admission {
  const { rows, summary, limits, held } = turn;
  const { firstPendingSequence, sequence } = requestId;
  if (rows.get(endedSessionKey(clientId)) !== undefined || firstPendingSequence > 1n) return expired(requestId);
  if (sequence < firstPendingSequence) return answeredBefore(requestId, firstPendingSequence);
  if (summary.sessions >= limits.sessionsMax) {
    if (!mayEndSession(turn)) return tooManySessions(turn, requestId.clientId);
    endLeastRecentlyUsed(turn);
  }
  const number = ++summary.sessionsOpenedTotal;
  summary.sessions++;
  const lastUsedMs = expiryBucket(summary.timeMs, limits);
  rows.put(expiryKey(lastUsedMs, clientId), noValue);
  const session: Session = { number, firstPendingSequence, lastUsedMs, answers: [], largeAnswers: [] };
  held.bytes += heldBySession(session);
  const answers = { taken: [], left: [] };
  return { kind: "admitted", requestId, fingerprint, clientId, session, firstPending: firstPendingSequence, answers };
}

function expired(requestId: RequestId): Failure {
  return failure(
    CommandFailureReason.SESSION_EXPIRED,
    `session "${requestId.clientId}" has ended; whether request ${requestId.sequence} was applied is not known any more`,
  );
}

function answeredBefore(requestId: RequestId, firstPending: bigint): Failure {
  return failure(
    CommandFailureReason.SEQUENCE_ANSWERED,
    `sequence ${requestId.sequence} of session "${requestId.clientId}" is below ${firstPending}, ` +
      "the first that the client has not given up",
  );
}

function tooManySessions({ limits }: Turn, id: string): Failure {
  return failure(
    CommandFailureReason.TOO_MANY_SESSIONS,
    `session "${id}" cannot be opened: ${limits.sessionsMax} sessions are live, and ${limits.endedSessionsMax} ended ones ` +
      "are remembered, the most that may be, so that none can be ended",
  );
}

function laterOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
