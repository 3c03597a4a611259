import { execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";

/** Name spaces of mounts of a test's own: what is mounted there is seen by nobody else, and goes with the test. */
export interface OwnMounts {
  /** What runs a command in there when the command follows, in the same process. */
  readonly runner: readonly string[];
  /** Mounts a file system in memory of at most `bytes` over a directory. */
  mount(directory: string, bytes: number): void;
  /** Changes how much a mounted file system may hold; its files stay. */
  resize(directory: string, bytes: number): void;
}

const [shell, script] = ["unshare", "echo ready; read -r line"];

/** Why this process may not make mounts of its own; `undefined` when it may. */
export function whyNoMounts(): string | undefined {
  try {
    execFileSync(shell, ["--mount", "true"], { stdio: "pipe" });
    return undefined;
  } catch (error) {
    return `mounts of its own need unshare and the right to use it: ${error instanceof Error ? error.message : "no error"}`;
  }
}

/** Makes a name space of mounts for the running test. */
export async function makeOwnMounts(): Promise<OwnMounts> {
  // Holds the name space until its input ends, which it does with this process at the latest.
  const holder = spawn(shell, ["--mount", "--propagation", "private", "sh", "-c", script], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  onTestFinished(() => {
    holder.stdin.end();
  });
  for await (const line of createInterface({ input: holder.stdout })) if (line === "ready") break;
  const runner = ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, "--"];
  const run = (...command: readonly string[]): void => {
    const [program = "", ...args] = [...runner, ...command];
    execFileSync(program, args, { stdio: "pipe" });
  };
  return {
    runner,
    mount: (directory, bytes) => run("mount", "-t", "tmpfs", "-o", `size=${bytes}`, "raftkv-test", directory),
    resize: (directory, bytes) => run("mount", "-o", `remount,size=${bytes}`, directory),
  };
}
