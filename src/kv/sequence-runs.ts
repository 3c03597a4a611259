/** Consecutive sequences. */
export interface SequenceRun {
  readonly first: bigint;
  /** At least 1. */
  readonly count: number;
}

/**
 * A set of sequences, as runs: ascending, with a gap between each two. Never changed in place. Requests come nearly in
 * order, so it is nearly always one run, however many sequences it holds.
 */
export type SequenceRuns = readonly SequenceRun[];

/** Number of sequences in the set. */
export function countSequences(runs: SequenceRuns): number {
  let count = 0;
  for (const run of runs) count += run.count;
  return count;
}

/** Whether the set holds `sequence`. */
export function hasSequence(runs: SequenceRuns, sequence: bigint): boolean {
  const run = runs[runsUpTo(runs, sequence) - 1];
  return run !== undefined && sequence < endOf(run);
}

/** The set and `sequence`, which it must not hold yet. */
export function addSequence(runs: SequenceRuns, sequence: bigint): SequenceRuns {
  const at = runsUpTo(runs, sequence);
  const before = runs[at - 1];
  const after = runs[at];
  const joinsBefore = before !== undefined && endOf(before) === sequence;
  const joinsAfter = after !== undefined && after.first === sequence + 1n;
  const first = joinsBefore ? before.first : sequence;
  const count = (joinsBefore ? before.count : 0) + 1 + (joinsAfter ? after.count : 0);
  return [...runs.slice(0, joinsBefore ? at - 1 : at), { first, count }, ...runs.slice(joinsAfter ? at + 1 : at)];
}

/** The set without its lowest sequences, as many of those below `bound` as `max` allows, and which those are. */
export function takeBelow(
  runs: SequenceRuns,
  bound: bigint,
  max: number,
): { readonly taken: readonly bigint[]; readonly left: SequenceRuns } {
  const taken: bigint[] = [];
  const left: SequenceRun[] = [];
  for (const run of runs) {
    let first = run.first;
    const end = endOf(run);
    while (first < end && first < bound && taken.length < max) taken.push(first++);
    if (first < end) left.push({ first, count: Number(end - first) });
  }
  return { taken, left };
}

function endOf(run: SequenceRun): bigint {
  return run.first + BigInt(run.count);
}

// How many runs begin at or before `sequence`: binary search.
function runsUpTo(runs: SequenceRuns, sequence: bigint): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const run = runs[middle];
    if (run !== undefined && run.first <= sequence) low = middle + 1;
    else high = middle;
  }
  return low;
}
