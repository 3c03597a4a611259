import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import {
  EndedSessionPlaceRowSchema,
  EndedSessionRowSchema,
  LeftoverAnswersRowSchema,
} from "../gen/raftkv/storage/v1/storage_pb.ts";
import { heldByAnswers, heldBySession } from "./held-bytes.ts";
import {
  answerKey,
  clientIdOfExpiryKey,
  endedPlaceKey,
  endedSessionKey,
  expiryBound,
  expiryIndexEnd,
  expiryIndexPrefix,
  expiryKey,
  leftoverKey,
  sessionKey,
} from "./row-keys.ts";
import { countSequences, type SequenceRuns, takeBelow } from "./sequence-runs.ts";
import { decodeSessionRow, overdueBound, sequenceRuns } from "./session.ts";
import { BrokenStateError, existingRow, type StateRows } from "./state-rows.ts";
import type { Turn } from "./turn.ts";

/**
 * The part of every command that keeps the sessions in bounds, each step a bounded number of rows: forget what ended long ago,
 * end what is overdue, remove answers that ended sessions left behind.
 */
export function tidySessions(turn: Turn): void {
  forgetEndedSessions(turn);
  endOverdueSessions(turn);
  removeLeftovers(turn);
}

/** Whether one more session may end: it must be remembered as ended, and there is room for that. */
export function mayEndSession(turn: Turn): boolean {
  return turn.summary.endedSessions < turn.limits.endedSessionsMax;
}

/** Ends the session that was least recently used, to the precision of the expiry bucket; then the lowest client id. */
export function endLeastRecentlyUsed(turn: Turn): void {
  const key = turn.rows.firstIndexKey(expiryIndexPrefix, expiryIndexEnd);
  if (key === undefined)
    throw new BrokenStateError(`${turn.summary.sessions} sessions are live, none is in the expiry index`);
  endSession(turn, clientIdOfExpiryKey(key));
}

function endOverdueSessions(turn: Turn): void {
  if (turn.summary.sessions === 0) return;
  const end = expiryBound(overdueBound(turn.summary.timeMs, turn.limits));
  for (let ended = 0; ended < turn.limits.sessionsEndedPerCommandMax && mayEndSession(turn); ended++) {
    const key = turn.rows.firstIndexKey(expiryIndexPrefix, end);
    if (key === undefined) return;
    endSession(turn, clientIdOfExpiryKey(key));
  }
}

function endSession(turn: Turn, clientId: Uint8Array): void {
  const { rows, summary } = turn;
  const session = decodeSessionRow(existingRow(rows, sessionKey(clientId), "session"));
  rows.delete(sessionKey(clientId));
  rows.delete(expiryKey(session.lastUsedMs, clientId));
  summary.sessions--;
  turn.held.bytes += heldByAnswers(countSequences(session.answers)) - heldBySession(session);

  const endedMs = BigInt(summary.timeMs);
  rows.put(endedSessionKey(clientId), toBinary(EndedSessionRowSchema, create(EndedSessionRowSchema, { endedMs })));
  const place = ++summary.sessionsEndedTotal;
  rows.put(
    endedPlaceKey(place),
    toBinary(EndedSessionPlaceRowSchema, create(EndedSessionPlaceRowSchema, { clientId })),
  );
  if (summary.endedSessions === 0) summary.oldestEndedMs = summary.timeMs;
  summary.endedSessions++;

  if (session.answers.length === 0) return;
  summary.leftovers++;
  putLeftovers(rows, ++summary.leftoversTotal, session.number, session.answers);
}

// Sessions end in the order of log time, so the oldest is always the one in the lowest place.
function forgetEndedSessions(turn: Turn): void {
  const { rows, summary, limits } = turn;
  for (let forgotten = 0; forgotten < limits.endedSessionsForgottenPerCommandMax; forgotten++) {
    if (summary.endedSessions === 0) return;
    if (summary.oldestEndedMs + limits.endedSessionRetentionMs > summary.timeMs) return;
    const place = summary.sessionsEndedTotal - summary.endedSessions + 1;
    rows.delete(endedSessionKey(clientIdInPlace(rows, place)));
    rows.delete(endedPlaceKey(place));
    summary.endedSessions--;
    summary.oldestEndedMs = summary.endedSessions === 0 ? 0 : endedMsInPlace(rows, place + 1);
  }
}

function clientIdInPlace(rows: StateRows, place: number): Uint8Array {
  return fromBinary(EndedSessionPlaceRowSchema, existingRow(rows, endedPlaceKey(place), "ended session's place"))
    .clientId;
}

function endedMsInPlace(rows: StateRows, place: number): number {
  const key = endedSessionKey(clientIdInPlace(rows, place));
  return Number(fromBinary(EndedSessionRowSchema, existingRow(rows, key, "ended session")).endedMs);
}

function removeLeftovers(turn: Turn): void {
  const { rows, summary, limits } = turn;
  let budget = limits.answersRemovedPerCommandMax;
  while (summary.leftovers > 0 && budget > 0) {
    const place = summary.leftoversTotal - summary.leftovers + 1;
    const row = fromBinary(LeftoverAnswersRowSchema, existingRow(rows, leftoverKey(place), "leftover answers"));
    const number = Number(row.sessionNumber);
    const { taken, left } = takeBelow(sequenceRuns(row.runFirstSequence, row.runAnswers), beyondAll, budget);
    for (const sequence of taken) rows.delete(answerKey(number, sequence));
    turn.held.bytes -= heldByAnswers(taken.length);
    budget -= taken.length;
    if (left.length > 0) {
      putLeftovers(rows, place, number, left);
    } else {
      rows.delete(leftoverKey(place));
      summary.leftovers--;
    }
  }
}

const beyondAll = 2n ** 64n;

function putLeftovers(rows: StateRows, place: number, sessionNumber: number, answers: SequenceRuns): void {
  const row = create(LeftoverAnswersRowSchema, {
    sessionNumber: BigInt(sessionNumber),
    runFirstSequence: answers.map((run) => run.first),
    runAnswers: answers.map((run) => run.count),
  });
  rows.put(leftoverKey(place), toBinary(LeftoverAnswersRowSchema, row));
}
