import type { Environment } from "../config/resolve-options.ts";

/** What a command reads and writes; the process's own, or a test's. */
export interface CliIo {
  readonly stdin: AsyncIterable<Uint8Array>;
  readonly stdout: CliOutput;
  readonly stderr: CliOutput;
  readonly env: Environment;
}

/** A stream to write to. */
export interface CliOutput {
  readonly isTTY?: boolean | undefined;
  write(chunk: string | Uint8Array): unknown;
}
