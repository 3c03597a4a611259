import { status } from "@grpc/grpc-js";
import type { Observation, Operation } from "../lib/linearizability.ts";
import type { CallResult } from "../lib/rpc-client.ts";

/** One key and what the clients saw of it. */
export interface KeyHistory {
  readonly key: string;
  readonly holds: "text" | "counter";
  readonly observations: Observation[];
  /** Operations begun. */
  begun: number;
}

/** Gives clients keys to work on, and remembers what they saw. */
export interface HistoryRecorder {
  readonly histories: readonly KeyHistory[];
  /** The key in use at `slot`, a fresh one when the last has had its share of operations. */
  take(slot: number): KeyHistory;
}

/** Keeps a few keys in use at a time, each for `operationsPerKey`; every third slot holds counters. */
export function createHistoryRecorder(operationsPerKey: number): HistoryRecorder {
  const histories: KeyHistory[] = [];
  const current = new Map<number, KeyHistory>();
  const take = (slot: number) => {
    let history = current.get(slot);
    if (history === undefined || history.begun >= operationsPerKey) {
      const holds = slot % 3 === 2 ? "counter" : "text";
      history = { key: `history/${histories.length}`, holds, observations: [], begun: 0 };
      histories.push(history);
      current.set(slot, history);
    }
    history.begun++;
    return history;
  };
  return { histories, take };
}

/**
 * Makes one call and records what came of it. A status that the member itself gave other than DEADLINE_EXCEEDED means
 * "not applied" and is left out, as is a read that failed; any other failure is a write of unknown outcome.
 * Tells whether the member answered at all.
 */
export async function observe<T>(
  history: KeyHistory,
  unanswered: Operation,
  call: () => Promise<CallResult<T>>,
  answered: (response: T) => Operation,
): Promise<boolean> {
  const invokedAt = performance.now();
  const result = await call();
  const returnedAt = performance.now();
  if (result.ok) {
    history.observations.push({ operation: answered(result.response), invokedAt, returnedAt });
    return true;
  }
  const certain = result.fromMember && result.code !== status.DEADLINE_EXCEEDED;
  if (!certain && unanswered.kind !== "get") {
    history.observations.push({ operation: unanswered, invokedAt, returnedAt: null });
  }
  return result.fromMember;
}
