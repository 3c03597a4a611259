import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";

/** How a process ended: its exit code, or the signal that ended it. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A process that this test or benchmark started, with what it printed. */
export interface StartedProcess {
  readonly pid: number;
  /** Resolves once it has ended and its output is complete; never rejects. */
  readonly exited: Promise<ProcessExit>;
  /** The last lines of its two streams, oldest first, at most 2 000. */
  readonly output: readonly string[];
  /** Whether it has not ended yet. */
  isRunning(): boolean;
  /** Sends a signal to this process and no other; does nothing once it has ended. */
  signal(name: NodeJS.Signals): void;
}

const outputLinesMax = 2_000;

/** Starts a process; rejects when the program cannot be started. Stop it by {@link stopProcess} or by signals. */
export async function startProcess(
  command: string,
  args: readonly string[],
  options: { readonly env?: Readonly<Record<string, string>>; readonly cwd?: string } = {},
): Promise<StartedProcess> {
  const child = spawn(command, args, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...options.env },
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  return observe(child, child.pid ?? 0);
}

function observe(child: ChildProcess, pid: number): StartedProcess {
  const output: string[] = [];
  keepLines(child.stdout, output);
  keepLines(child.stderr, output);
  let running = true;
  const exited = new Promise<ProcessExit>((resolve) => {
    child.once("exit", () => {
      running = false;
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
  });
  return {
    pid,
    exited,
    output,
    isRunning: () => running,
    signal: (name) => {
      if (running) child.kill(name);
    },
  };
}

function keepLines(stream: Readable | null, lines: string[]): void {
  if (stream === null) return;
  createInterface({ input: stream }).on("line", (line) => {
    lines.push(line);
    if (lines.length > outputLinesMax) lines.shift();
  });
}

/** Sends SIGTERM, then SIGKILL to what has not ended `graceMs` later (10 000 by default), and tells how it ended. */
export async function stopProcess(started: StartedProcess, graceMs = 10_000): Promise<ProcessExit> {
  started.signal("SIGCONT");
  started.signal("SIGTERM");
  const timer = setTimeout(() => started.signal("SIGKILL"), graceMs);
  const exit = await started.exited;
  clearTimeout(timer);
  return exit;
}
