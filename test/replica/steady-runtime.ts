import { processRuntime, type Runtime } from "../../src/replica/runtime.ts";

/** What a stall of the process counts for at most, milliseconds: far less than any election timeout of a test. */
const stallMsMax = 10;

/**
 * The process's event loop with a clock that a stall does not move: a machine that starves the test for seconds makes the
 * members of one cluster slow, not old, so that no leader loses its followers but by what the test does. For the members of
 * one process, that share it.
 */
export function createSteadyRuntime(): Runtime {
  let lastMs = processRuntime.now();
  let nowMs = lastMs;
  const now = (): number => {
    const processMs = processRuntime.now();
    nowMs += Math.min(processMs - lastMs, stallMsMax);
    lastMs = processMs;
    return nowMs;
  };
  return { ...processRuntime, now };
}
