import { spawn } from "node:child_process";

/** How a process ended that was given only so much time. */
export interface LimitedRun {
  /** Exit code; `null` when it was stopped. */
  readonly code: number | null;
  /** Whether its time was up, so that it was stopped. */
  readonly timedOut: boolean;
  /** What it printed, both streams, the last 4 MiB. */
  readonly output: string;
}

const outputCharactersMax = 4 << 20;
const groups = new Set<number>();

// What this process has started ends with it, a test that spins for ever included.
process.once("exit", () => {
  for (const group of groups) stopGroup(group);
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));

/** Runs Node with `args` in a process group of its own, and stops all of it after `limitMs`. */
export function runLimited(
  args: readonly string[],
  options: { readonly cwd: string; readonly limitMs: number; readonly env?: Readonly<Record<string, string>> },
): Promise<LimitedRun> {
  const { cwd, limitMs, env } = options;
  // Not CI's: the reports of its run are not to be written over.
  const { CI: _, ...inherited } = process.env;
  const child = spawn(process.execPath, args, {
    cwd,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...inherited, NO_COLOR: "1", FORCE_COLOR: "0", ...env },
  });
  const { pid } = child;
  if (pid !== undefined) groups.add(pid);
  let output = "";
  const keep = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-outputCharactersMax);
  };
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  return new Promise((resolve, reject) => {
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      if (pid !== undefined) stopGroup(pid);
    }, limitMs);
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      if (pid !== undefined) groups.delete(pid);
      resolve({ code, timedOut, output });
    });
  });
}

function stopGroup(group: number): void {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It has ended by itself.
  }
}
