import { type DecodedCommand, decodeCommand, fingerprintOf, type Operation, UnknownCommandError } from "./command.ts";
import { mayGrow } from "./growth.ts";
import { endedSessionBytes, type HeldBytes, surveyHeldBytes } from "./held-bytes.ts";
import { defaultKvLimits, type KvLimits } from "./kv-limits.ts";
import { executeOperation } from "./operations.ts";
import { encodeResult } from "./result.ts";
import { expiryIndexPrefix, summaryKey } from "./row-keys.ts";
import { RowMemo } from "./row-memo.ts";
import { tidySessions } from "./session-end.ts";
import { SessionGate } from "./session-gate.ts";
import type { ApplyContext, RowSurvey, StateMachine, StateRows } from "./state-rows.ts";
import { decodeSummary, encodeSummary, type Summary } from "./summary.ts";
import type { Turn } from "./turn.ts";

/** About what the row of a pair takes beside its key and its value. */
const pairOverheadBytes = 16;

// One command:
//
//   decode ──> advance log time ──> tidy sessions ──> session? ──no──────────────> execute ──> write summary
//     │                                                 │ yes                         │
//     └─ unknown: throw, nothing written               gate ──> refuse                └─ keep answer, if of a session
//                                                       └─────> answer from memory

/**
 * The replicated state machine of raftkv: pairs, their revisions, and the client sessions that make retries exact.
 * Pure: what a command comes to depends on the rows, the command, its log time and the limits, and on nothing else.
 */
class KvStateMachine implements CountingStateMachine {
  /** A release under which a command leaves other rows than before has a higher one. */
  readonly version = 1;
  readonly indexPrefix = expiryIndexPrefix;
  readonly #limits: KvLimits;
  readonly #gate: SessionGate;
  readonly #held: HeldBytes = { bytes: 0 };
  #duplicateRequests = 0;
  readonly #summaries = new RowMemo<Readonly<Summary>>(decodeSummary, 1);

  constructor(limits: KvLimits) {
    this.#limits = limits;
    this.#gate = new SessionGate(limits);
  }

  get duplicateRequests(): number {
    return this.#duplicateRequests;
  }

  /** A command that names its request may be proposed again: its session applies it once. */
  inspect(command: Uint8Array): "retrySafe" | "single" | "unknown" {
    try {
      return decodeCommand(command).requestId === undefined ? "single" : "retrySafe";
    } catch (error) {
      if (error instanceof UnknownCommandError) return "unknown";
      throw error;
    }
  }

  /**
   * Applies one command and returns its `CommandResult`. Throws, before anything is written, when the command is not known in
   * full to this version: the replica must stop rather than part from the others.
   */
  apply(command: Uint8Array, context: ApplyContext, rows: StateRows): Uint8Array {
    if (!Number.isSafeInteger(context.timeMs) || context.timeMs < 0) {
      throw new RangeError(`the time of entry ${context.index} is ${context.timeMs}, no count of milliseconds`);
    }
    const decoded = decodeCommand(command);
    const summary = { ...this.#readSummary(rows) };
    summary.timeMs = Math.max(summary.timeMs, context.timeMs);
    const turn: Turn = { rows, limits: this.#limits, summary, held: this.#held };
    tidySessions(turn);
    const result = this.#run(turn, decoded);
    const row = encodeSummary(summary);
    rows.put(summaryKey, row);
    this.#summaries.remember("", row, summary);
    return result;
  }

  /** See {@link mayGrow}. */
  mayGrow(command: Uint8Array, rows: Pick<StateRows, "get">): boolean {
    return mayGrow(command, rows);
  }

  /** About how many bytes the rows come to: pairs, what sessions hold, and the memory of those that ended. */
  stateBytes(rows: Pick<StateRows, "get">): number {
    const { sizeBytes, keys, endedSessions } = decodeSummary(rows.get(summaryKey));
    return sizeBytes + keys * pairOverheadBytes + this.#held.bytes + endedSessions * endedSessionBytes;
  }

  /** See {@link surveyHeldBytes}. */
  survey(): RowSurvey {
    return surveyHeldBytes(this.#held);
  }

  /** Revision of the last change. */
  revision(rows: Pick<StateRows, "get">): number {
    return Number(decodeSummary(rows.get(summaryKey)).revision);
  }

  #run(turn: Turn, { operation, requestId }: DecodedCommand): Uint8Array {
    if (requestId === undefined) return execute(turn, operation);
    const admission = this.#gate.admit(turn, requestId, fingerprintOf(operation));
    switch (admission.kind) {
      case "failure":
        return encodeResult(turn.summary.revision, admission);
      case "answered":
        this.#duplicateRequests++;
        return admission.result;
      case "admitted": {
        const result = execute(turn, operation);
        this.#gate.keepAnswer(turn, admission, result);
        return result;
      }
    }
  }

  #readSummary(rows: StateRows): Readonly<Summary> {
    const row = rows.get(summaryKey);
    return row === undefined ? decodeSummary(undefined) : this.#summaries.decode("", row);
  }
}

function execute(turn: Turn, operation: Operation): Uint8Array {
  const result = executeOperation(turn, operation);
  return encodeResult(turn.summary.revision, result);
}

/** A state machine that counts, for metrics only: the figure is no part of the replicated state. */
export interface CountingStateMachine extends StateMachine {
  /** Requests answered from a session instead of being applied again, since this machine was made. */
  readonly duplicateRequests: number;
}

/** Makes a state machine. `limits` override {@link defaultKvLimits} and must be the same on every member. */
export function createKvStateMachine(limits: Partial<KvLimits> = {}): CountingStateMachine {
  return new KvStateMachine(Object.freeze({ ...defaultKvLimits, ...limits }));
}
