import { type Job, runJob } from "./seed-job.ts";

// A process that runs seeds for another one: a job comes in, its result goes out, one at a time. It ends with its parent.

process.on("message", ({ job, shrinks }: { readonly job: Job; readonly shrinks: boolean }) => {
  runJob(job, shrinks).then(
    (result) => process.send?.(result),
    (error: unknown) => {
      throw error;
    },
  );
});

// Ctrl-C goes to everybody on the terminal; the parent decides.
process.on("SIGINT", () => {});
