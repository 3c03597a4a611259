import { performance } from "node:perf_hooks";

/** Clock and scheduling of a replica; injected, so that a simulator can drive the very same loop in virtual time. */
export interface Runtime {
  /** Monotonic clock, milliseconds. Deadlines and elections refer to it. */
  now(): number;
  /** Wall clock, milliseconds since 1970. Only stamped on entries, never compared with another member's. */
  wallClockMs(): number;
  /** Runs `callback` after the events that are already waiting. */
  soon(callback: () => void): void;
  /** Runs `callback` every `intervalMs` until the returned function is called. */
  every(intervalMs: number, callback: () => void): () => void;
}

/** The clock and the event loop of this process. */
export const processRuntime: Runtime = {
  now: () => performance.now(),
  wallClockMs: () => Date.now(),
  soon: (callback) => {
    setImmediate(callback);
  },
  every: (intervalMs, callback) => {
    const timer = setInterval(callback, intervalMs);
    return () => clearInterval(timer);
  },
};
