import { EventEmitter } from "node:events";
import { createProcessHost } from "../../src/cli/process-host.ts";
import { runCli } from "../../src/cli/run-cli.ts";
import type { StartMember } from "../../src/cli/running-member.ts";

/** A stand-in for `process`: signals are emitted, exits are recorded. */
export class FakeProcess extends EventEmitter {
  readonly exits: number[] = [];
  readonly pid = 7;
  killed = false;
  connected = false;
  readonly channel = { unref: () => {} };

  exit(code: number): void {
    this.exits.push(code);
  }

  kill(pid: number): void {
    if (pid === this.pid) this.killed = true;
  }
}

/** What a command wrote, and its exit code. */
export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a test may replace. */
export interface FakeCliOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: readonly Uint8Array[];
  readonly terminal?: boolean;
  readonly start?: StartMember;
  readonly process?: FakeProcess;
}

/** Runs a command line in this process. */
export async function cli(line: readonly string[], options: FakeCliOptions = {}): Promise<CliResult> {
  const written = { stdout: "", stderr: "" };
  const output = (name: keyof typeof written) => ({
    isTTY: options.terminal,
    write: (chunk: string | Uint8Array) => {
      written[name] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("latin1");
    },
  });
  const code = await runCli(line, {
    io: {
      stdin: (async function* () {
        yield* options.stdin ?? [];
      })(),
      stdout: output("stdout"),
      stderr: output("stderr"),
      env: options.env ?? {},
    },
    process: createProcessHost(options.process ?? new FakeProcess()),
    start: options.start ?? (() => Promise.reject(new Error("no member in this test"))),
    serveCommand: ["false"],
  });
  return { code, ...written };
}
