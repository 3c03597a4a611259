import { fromBinary } from "@bufbuild/protobuf";
import { WireType } from "@bufbuild/protobuf/wire";
import { AnswerRowSchema, SessionRowSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import type { KvLimits } from "./kv-limits.ts";
import type { SequenceRun, SequenceRuns } from "./sequence-runs.ts";
import { bytesField, packedUint64Field, rowWriter, uint64Field } from "./wire.ts";

/** An answer that counts against the limit of bytes. */
export interface LargeAnswer {
  readonly sequence: bigint;
  readonly bytes: number;
}

/** A live session. Never changed in place. */
export interface Session {
  /** Which of all sessions ever opened this is, from 1. */
  readonly number: number;
  /** Every request below this is forgotten; at least 1. */
  readonly firstPendingSequence: bigint;
  /** Log time of the last use, rounded down to the expiry bucket, milliseconds since 1970. */
  readonly lastUsedMs: number;
  /** Sequences that have an answer row. Those below `firstPendingSequence` await removal. */
  readonly answers: SequenceRuns;
  /** Ascending; none below `firstPendingSequence`. */
  readonly largeAnswers: readonly LargeAnswer[];
}

/** One answer that a session holds. */
export interface Answer {
  /** Of the request that it answers. */
  readonly fingerprint: bigint;
  /** Encoded `CommandResult`. */
  readonly result: Uint8Array;
}

/** Encodes a live session's row, a `SessionRow`. */
export function encodeSessionRow(session: Session): Uint8Array {
  uint64Field(rowWriter, 1, session.number);
  uint64Field(rowWriter, 2, session.firstPendingSequence);
  uint64Field(rowWriter, 3, session.lastUsedMs);
  packedUint64Field(rowWriter, 4, session.answers.map(firstOfRun));
  packedUint64Field(rowWriter, 5, session.answers.map(countOfRun));
  packedUint64Field(rowWriter, 6, session.largeAnswers.map(sequenceOf));
  packedUint64Field(rowWriter, 7, session.largeAnswers.map(bytesOf));
  return rowWriter.finish();
}

/** Decodes a live session's row. */
export function decodeSessionRow(row: Uint8Array): Session {
  const message = fromBinary(SessionRowSchema, row);
  return {
    number: Number(message.number),
    firstPendingSequence: message.firstPendingSequence,
    lastUsedMs: Number(message.lastUsedMs),
    answers: sequenceRuns(message.runFirstSequence, message.runAnswers),
    largeAnswers: message.largeSequence.map((sequence, at) => ({ sequence, bytes: message.largeBytes[at] ?? 0 })),
  };
}

/** Joins the two columns in which rows keep runs. */
export function sequenceRuns(firsts: readonly bigint[], counts: readonly number[]): SequenceRuns {
  return firsts.map((first, at) => ({ first, count: counts[at] ?? 0 }));
}

/** Encodes an answer's row, an `AnswerRow`. */
export function encodeAnswerRow(answer: Answer): Uint8Array {
  rowWriter.tag(1, WireType.Bit64).fixed64(answer.fingerprint);
  bytesField(rowWriter, 2, answer.result);
  return rowWriter.finish();
}

/** Decodes an answer's row. */
export function decodeAnswerRow(row: Uint8Array): Answer {
  return fromBinary(AnswerRowSchema, row);
}

/** The bucket of the expiry index in which a use at log time `timeMs` falls, as its first millisecond. */
export function expiryBucket(timeMs: number, limits: KvLimits): number {
  return timeMs - (timeMs % limits.expiryBucketMs);
}

/**
 * Sessions last used before this are over at log time `timeMs`. Counted from the end of the bucket of the last use, so that
 * no session ends before `sessionIdleMs` have passed, and none lives a bucket longer.
 */
export function overdueBound(timeMs: number, limits: KvLimits): number {
  return Math.max(0, timeMs - limits.sessionIdleMs - limits.expiryBucketMs + 1);
}

const firstOfRun = (run: SequenceRun): bigint => run.first;
const countOfRun = (run: SequenceRun): number => run.count;
const sequenceOf = (answer: LargeAnswer): bigint => answer.sequence;
const bytesOf = (answer: LargeAnswer): number => answer.bytes;
