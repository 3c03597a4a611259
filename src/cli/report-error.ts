import { ClientError } from "../client/client-error.ts";
import { RaftKvError } from "../lib/errors.ts";
import type { CliOutput } from "./cli-io.ts";
import { type OutputFormat, renderJson } from "./render.ts";

/** Writes an error that ended a command: a line for people, or one JSON object with stable fields. */
export function reportError(error: unknown, format: OutputFormat | undefined, stderr: CliOutput): void {
  stderr.write(format === "json" ? renderJson({ error: errorJson(error) }) : `raftkv: ${errorText(error)}\n`);
}

function errorText(error: unknown): string {
  if (!(error instanceof ClientError)) return messageOf(error);
  const reason = error.reason === null ? error.code : `${error.code}/${error.reason}`;
  const outcome = error.outcome === "unknown" ? "; the write may have been applied" : "";
  return `${error.message} (${reason})${outcome}`;
}

function errorJson(error: unknown) {
  if (error instanceof ClientError) {
    const { code, reason, message, outcome, metadata } = error;
    return { code, reason, message, outcome, metadata };
  }
  const code = error instanceof RaftKvError ? error.code : "INTERNAL";
  return { code, reason: null, message: messageOf(error), outcome: "not-applied", metadata: {} };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
