import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** How a process ended. */
export interface ProcessEnd {
  /** Such as "exit code 1" or "signal SIGKILL". */
  readonly reason: string;
  /** Exit code 0, or ended by SIGTERM: told to stop before it had begun. */
  readonly clean: boolean;
}

/** A member that runs in a process of its own. */
export interface MemberProcess {
  /** Resolves when the process is gone and its last line was told; never rejects. */
  readonly ended: Promise<ProcessEnd>;
  /** Sends a signal; does nothing once the process is gone. */
  kill(signal: "SIGTERM" | "SIGKILL"): void;
}

/** Starts a command and tells every line that it writes. It stops by itself when this process goes away. */
export function startMemberProcess(
  command: readonly [string, ...string[]],
  onLine: (line: string) => void,
): MemberProcess {
  const [file, ...given] = command;
  const child = spawn(file, given, {
    // The IPC channel tells the member that this process is gone.
    stdio: ["ignore", "pipe", "pipe", "ipc"],
    // Its own group: Ctrl-C reaches only this process, which then stops the members in its own way.
    detached: true,
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream !== null) createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on("line", onLine);
  }
  return {
    ended: processEnd(child),
    kill: (signal) => {
      child.kill(signal);
    },
  };
}

function processEnd(child: ChildProcess): Promise<ProcessEnd> {
  return new Promise((resolve) => {
    child.once("error", (error) => resolve({ reason: error.message, clean: false }));
    child.once("close", (code, signal) => {
      resolve({
        reason: signal === null ? `exit code ${code}` : `signal ${signal}`,
        clean: code === 0 || signal === "SIGTERM",
      });
    });
  });
}
