/** The smallest sample that the share `q` (0 to 1) of all samples does not exceed; `NaN` of none. `sorted` is ascending. */
export function quantile(sorted: ArrayLike<number>, q: number): number {
  const rank = Math.max(1, Math.ceil(q * sorted.length));
  return sorted[rank - 1] ?? Number.NaN;
}

/** Median of `samples`, in any order; `NaN` of none. */
export function median(samples: readonly number[]): number {
  return quantile(Float64Array.from(samples).sort(), 0.5);
}
