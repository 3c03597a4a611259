import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { startProcess, stopProcess } from "../lib/child-process.ts";
import { waitUntil } from "../lib/wait-until.ts";
import { Campaign, type CampaignOptions } from "./campaign.ts";
import type { Overrides } from "./plan.ts";

/** Runs seeds from 1 on, one for each of `overrides`; what that came to, and what was printed. */
async function runCampaign(overrides: readonly Overrides[], options: Partial<CampaignOptions> = {}) {
  const lines: string[] = [];
  const print = (line: string): void => {
    lines.push(line);
  };
  const campaign = new Campaign({ jobs: 1, minutes: 10, keepGoing: false, shrinks: false, print, ...options });
  const jobs = overrides.map((each, at) => ({ seed: at + 1, overrides: each }));
  const { cpuMs, elapsedMs, coverage, ...figures } = await campaign.run(jobs);
  expect(cpuMs > 0).toBe(figures.seeds > 0);
  expect(elapsedMs).toBeGreaterThan(0);
  return { figures, coverage: coverage.counts.toSorted(([a], [b]) => (a < b ? -1 : 1)), lines };
}

const short: Overrides = { untilMs: 200, operations: 5 };
/** A cluster without members breaks the simulator itself. */
const broken: Overrides = { size: 0 };

describe("many runs", () => {
  test("come to the same in several processes as in one", async () => {
    const seeds = [short, short, short, short, short];
    const alone = await runCampaign(seeds);
    expect(alone.figures).toMatchObject({ seeds: 5, failed: 0 });
    expect(await runCampaign(seeds, { jobs: 2 })).toEqual(alone);
  });

  test.each([1, 2])("end at the first that fails, or go on if told to; %d at a time", async (jobs) => {
    const seeds = [broken, ...Array<Overrides>(9).fill(short)];
    const stopped = await runCampaign(seeds, { jobs });
    expect(stopped.figures.failed).toBe(1);
    expect(stopped.figures.seeds).toBeLessThanOrEqual(jobs + 1);
    expect(stopped.lines[0]).toMatch(/^seed 1 failed: /);
    const whatever = await runCampaign([broken, short, broken], { jobs, keepGoing: true });
    expect(whatever.figures).toMatchObject({ seeds: 3, failed: 2 });
  });

  test("begin no more when the time is over", async () => {
    expect((await runCampaign([short], { minutes: 0 })).figures.seeds).toBe(0);
  });
});

test.each(["1", "2"])(
  "an interrupt lets the runs under way end and prints what was done, with %s at a time",
  async (jobs) => {
    const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];
    const main = join(import.meta.dirname, "main.ts");
    const simulator = await startProcess(process.execPath, [...flags, main, "--minutes", "10", "--jobs", jobs]);
    try {
      await waitUntil(() => simulator.output.includes("seeds from 1 on"), {
        what: "the first line",
        timeoutMs: 60_000,
      });
      simulator.signal("SIGINT");
      expect(await simulator.exited).toEqual({ code: 0, signal: null });
      expect(simulator.output.join("\n")).toMatch(/^\d+ seeds, 0 failed; .* simulated in .*\nnever met: /m);
    } finally {
      await stopProcess(simulator);
    }
  },
);
