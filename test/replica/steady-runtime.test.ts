import { afterEach, expect, test, vi } from "vitest";
import { processRuntime } from "../../src/replica/runtime.ts";
import { createSteadyRuntime } from "./steady-runtime.ts";

afterEach(() => vi.restoreAllMocks());

test("a steady clock goes with the process's, and stands still while the process does", () => {
  let processMs = 500;
  vi.spyOn(processRuntime, "now").mockImplementation(() => processMs);
  const runtime = createSteadyRuntime();
  const startMs = runtime.now();
  processMs += 7;
  expect(runtime.now() - startMs).toBe(7);
  processMs += 60_000;
  expect(runtime.now() - startMs).toBe(17);
});
