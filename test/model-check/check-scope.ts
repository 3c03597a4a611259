import { BrokenRule } from "../raft/rule.ts";
import { Explorer, type Findings, type SearchLimits } from "./explorer.ts";
import type { Scope } from "./scope.ts";
import { describeMoves } from "./trace.ts";

/** What a search through a scope found, in plain values. */
export interface Report extends Omit<Findings, "violation"> {
  readonly violation: { readonly reason: string; readonly moves: number; readonly trace: readonly string[] } | null;
}

/** What is found where the world cannot even begin. */
const nothing: Omit<Report, "violation"> = {
  states: 0,
  transitions: 0,
  depth: 0,
  memberStates: 0,
  coreSteps: 0,
  beyondTerms: 0,
  isExhausted: false,
  seconds: 0,
};

/** Searches a scope to its end, to the first broken rule, or to a limit. */
export function checkScope(scope: Scope, limits: SearchLimits = {}): Report {
  let explorer: Explorer;
  try {
    explorer = new Explorer(scope);
  } catch (error) {
    if (error instanceof BrokenRule) return { ...nothing, violation: { reason: error.message, moves: 0, trace: [] } };
    throw error;
  }
  const { violation, ...findings } = explorer.run(limits);
  if (violation === null) return { ...findings, violation };
  const trace = [...describeMoves(explorer.machine, explorer.start, violation.moves)];
  return { ...findings, violation: { reason: violation.reason, moves: violation.moves.length, trace } };
}
