import { type ChildProcess, fork } from "node:child_process";
import { join } from "node:path";
import { type Job, type JobResult, runJob } from "./seed-job.ts";

/** Runs one job at a time. */
export interface SeedRunner {
  /** Rejects when the process that runs it has ended. */
  run(job: Job): Promise<JobResult>;
  close(): void;
}

/** Runs jobs in this process. */
export function localRunner(shrinks: boolean): SeedRunner {
  return { run: (job) => runJob(job, shrinks), close: () => {} };
}

const readsTypeScript = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];

/** Runs jobs in a process of their own, which ends with this one. */
export function workerRunner(shrinks: boolean): SeedRunner {
  const child = fork(join(import.meta.dirname, "worker.ts"), { execArgv: readsTypeScript });
  return {
    run: (job) => answerOf(child, { job, shrinks }),
    close: () => {
      if (child.connected) child.disconnect();
    },
  };
}

function answerOf(child: ChildProcess, request: { readonly job: Job; readonly shrinks: boolean }): Promise<JobResult> {
  return new Promise((resolve, reject) => {
    const answered = (result: unknown): void => {
      child.off("exit", ended);
      resolve(result as JobResult);
    };
    const ended = (code: number | null, signal: string | null): void => {
      child.off("message", answered);
      reject(new Error(`a worker ended with ${code ?? signal} while it ran seed ${request.job.seed}`));
    };
    child.once("message", answered);
    child.once("exit", ended);
    child.send(request);
  });
}
