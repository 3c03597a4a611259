import { fileURLToPath } from "node:url";
import { logVerbosity, setLogVerbosity } from "@grpc/grpc-js";
import { exitCodes } from "./exit-code.ts";
import { createProcessHost } from "./process-host.ts";
import { runCli } from "./run-cli.ts";
import type { StartMember } from "./running-member.ts";

// What bin/raftkv loads: the composition root of every command.

const { stdin, stdout, stderr, env } = process;
const bin = fileURLToPath(new URL("../../bin/raftkv", import.meta.url));

// grpc-js writes plain lines to standard error of what it also reports as an error.
setLogVerbosity(logVerbosity.NONE);

// A reader that goes away, as in `raftkv get k | head -0`, is no error of ours; a full disk is, and what was written there is not all.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") {
    stderr.write(`raftkv: standard output cannot be written (${error.message})\n`);
    process.exitCode = exitCodes.error;
  }
  process.exit();
});

/** Only a member loads the server, the store and its native engine; the other commands start sooner without. */
const startMemberLazily: StartMember = async (config, logger) => {
  const { startMember } = await import("./start-member.ts");
  return startMember(config, logger);
};

process.exitCode = await runCli(process.argv.slice(2), {
  io: { stdin, stdout, stderr, env },
  process: createProcessHost(process),
  start: startMemberLazily,
  serveCommand: [process.execPath, bin, "serve"],
});
