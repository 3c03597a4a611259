import { Coverage } from "./coverage.ts";
import type { Job, JobResult } from "./seed-job.ts";
import { localRunner, type SeedRunner, workerRunner } from "./seed-runner.ts";

/** How many runs are made, and how. */
export interface CampaignOptions {
  /** Processes that share the runs; with 1 there is only this one. */
  readonly jobs: number;
  /** Runs begin until so many minutes are over. */
  readonly minutes: number;
  /** Whether to go on when a run has failed. */
  readonly keepGoing: boolean;
  /** Whether a failing run is made smaller. */
  readonly shrinks: boolean;
  readonly print: (line: string) => void;
}

/** What many runs came to. */
export interface CampaignTotals {
  readonly seeds: number;
  readonly failed: number;
  readonly events: number;
  readonly virtualMs: number;
  readonly operations: number;
  /** Histories that the order of the log did not explain, so that an order had to be searched for. */
  readonly searchedHistories: number;
  /** Time of processor of all processes, milliseconds. */
  readonly cpuMs: number;
  readonly elapsedMs: number;
  readonly coverage: Coverage;
}

/** Runs many seeds, in one process or several, until they or the time are over, one has failed, or somebody stops them. */
export class Campaign {
  readonly #options: CampaignOptions;
  readonly #coverage = new Coverage();
  readonly #sums = { seeds: 0, failed: 0, events: 0, virtualMs: 0, operations: 0, searchedHistories: 0, cpuMs: 0 };
  #stopped = false;

  constructor(options: CampaignOptions) {
    this.#options = options;
  }

  /** Begins no more runs; those under way end. */
  stop(): void {
    this.#stopped = true;
  }

  async run(jobs: Iterable<Job>): Promise<CampaignTotals> {
    const { shrinks, jobs: count } = this.#options;
    const begunMs = performance.now();
    const runners = count === 1 ? [localRunner(shrinks)] : Array.from({ length: count }, () => workerRunner(shrinks));
    const untilMs = begunMs + this.#options.minutes * 60_000;
    // One iterator for all: each runner takes the next job when it is done with one.
    const waiting = jobs[Symbol.iterator]();
    try {
      await Promise.all(runners.map((runner) => this.#work(runner, waiting, untilMs)));
    } finally {
      for (const runner of runners) runner.close();
    }
    return { ...this.#sums, elapsedMs: performance.now() - begunMs, coverage: this.#coverage };
  }

  async #work(runner: SeedRunner, waiting: Iterator<Job>, untilMs: number): Promise<void> {
    while (!this.#stopped && performance.now() < untilMs) {
      const next = waiting.next();
      if (next.done === true) return;
      try {
        this.#add(await runner.run(next.value));
      } catch (error) {
        this.#fail(String(error));
        return;
      }
    }
  }

  #add({ seed, failure, coverage, ...figures }: JobResult): void {
    const sums = this.#sums;
    sums.seeds++;
    sums.events += figures.events;
    sums.virtualMs += figures.virtualMs;
    sums.operations += figures.operations;
    sums.searchedHistories += figures.searchedHistories;
    sums.cpuMs += figures.cpuMs;
    for (const [situation, times] of coverage) this.#coverage.saw(situation, times);
    if (failure === undefined) return;
    this.#fail(`seed ${seed} failed: ${failure.description}`);
    if (failure.replay !== undefined) this.#options.print(`replay: ${failure.replay}`);
  }

  #fail(what: string): void {
    this.#sums.failed++;
    this.#options.print(what);
    if (!this.#options.keepGoing) this.stop();
  }
}
