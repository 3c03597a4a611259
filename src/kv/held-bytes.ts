import { fromBinary } from "@bufbuild/protobuf";
import { LeftoverAnswersRowSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { leftoverPrefix, sessionPrefix } from "./row-keys.ts";
import { countSequences, type SequenceRuns } from "./sequence-runs.ts";
import { decodeSessionRow, type Session, sequenceRuns } from "./session.ts";
import type { RowSurvey } from "./state-rows.ts";

// What sessions hold counts against the quota. It is no part of the replicated state: a count in the rows would differ between
// members that began to count at different entries. It follows from the rows of sessions and of leftover answers alone, which
// are few, so that each member counts them once when it gets its rows, and then what its commands change.

/** What a live session is taken to hold beside its answers: its row, and its place in the expiry index. */
const sessionBytes = 128;

/** What an answer is taken to hold beside its bytes, which are added where they are large (`KvLimits.largeAnswerBytes`). */
const answerBytes = 128;

/** What the memory of an ended session is taken to hold, bytes: two rows. */
export const endedSessionBytes = 128;

/** About how many bytes sessions hold, and the answers that ended ones left behind. */
export interface HeldBytes {
  bytes: number;
}

/** What a live session holds. */
export function heldBySession({ answers, largeAnswers }: Session): number {
  let bytes = sessionBytes + heldByAnswers(countSequences(answers));
  for (const answer of largeAnswers) bytes += answer.bytes;
  return bytes;
}

/** What so many answers of an ended session hold: how large they were is not known any more. */
export function heldByAnswers(count: number): number {
  return answerBytes * count;
}

/** Counts what all sessions hold, from their rows; `held` has it when the rows are taken up. */
export function surveyHeldBytes(held: HeldBytes): RowSurvey {
  let bytes = 0;
  return {
    prefixes: [Uint8Array.of(sessionPrefix), Uint8Array.of(leftoverPrefix)],
    add(key, value) {
      bytes +=
        key[0] === sessionPrefix
          ? heldBySession(decodeSessionRow(value))
          : heldByAnswers(countSequences(leftovers(value)));
    },
    takeUp() {
      held.bytes = bytes;
    },
  };
}

function leftovers(row: Uint8Array): SequenceRuns {
  const { runFirstSequence, runAnswers } = fromBinary(LeftoverAnswersRowSchema, row);
  return sequenceRuns(runFirstSequence, runAnswers);
}
