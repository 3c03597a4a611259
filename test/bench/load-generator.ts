/** What one load process sends, over and over, to one member. */
export interface LoadTarget {
  readonly address: string;
  readonly path: string;
  /** The request's message with its gRPC frame. */
  readonly frame: Buffer;
  readonly connections: number;
  readonly inFlight: number;
}

/** What came of a load. */
export interface LoadResult {
  /** Requests answered with HTTP status 200 within the time. */
  readonly completed: number;
  /** Requests sent within the time, answered or not. */
  readonly started: number;
  /** Requests answered otherwise, or broken off. */
  readonly failed: number;
  /** Bytes of the answers' messages, frames included. */
  readonly bodyBytes: number;
  /** Latency of each completed request, microseconds, ascending. */
  readonly latenciesUs: Float64Array;
}

/** Loads all targets at once for `seconds`, from processes of its own. */
export type LoadGenerator = (targets: readonly LoadTarget[], seconds: number) => Promise<LoadResult>;

/** Several results of one time as one. */
export function mergeResults(results: readonly LoadResult[]): LoadResult {
  const sum = (of: (result: LoadResult) => number) => results.reduce((total, result) => total + of(result), 0);
  const latenciesUs = new Float64Array(sum(({ latenciesUs: each }) => each.length));
  let offset = 0;
  for (const result of results) {
    latenciesUs.set(result.latenciesUs, offset);
    offset += result.latenciesUs.length;
  }
  return {
    completed: sum(({ completed }) => completed),
    started: sum(({ started }) => started),
    failed: sum(({ failed }) => failed),
    bodyBytes: sum(({ bodyBytes }) => bodyBytes),
    latenciesUs: latenciesUs.sort(),
  };
}
