import { RaftKvError } from "../lib/errors.ts";
import { damaged } from "./damaged.ts";
import { engineReason } from "./engine-reason.ts";
import { systemCode } from "./system-code.ts";

/** Code of either engine's binding for an error behind which there is damage. */
const corruption = "LEVEL_CORRUPTION";

/**
 * What an engine that does not open is answered with: `STATE_CORRUPT` where it found one of its files damaged, its manifest
 * or `CURRENT` among them, and `DIRECTORY_UNUSABLE` for everything else, such as a full disk.
 */
export function engineRefusal(engine: string, directory: string, cause: unknown): RaftKvError {
  const reason = engineReason(cause);
  if (isCorruption(cause))
    return damaged("STATE_CORRUPT", `${directory}: ${engine} finds its files damaged (${reason})`, cause);
  return new RaftKvError("DIRECTORY_UNUSABLE", `${directory}: ${engine} does not open (${reason})`, { cause });
}

/**
 * What a failed write of an engine is told as: `STATE_CORRUPT` where the engine came upon damage, in a table that it merged since or in
 * another file, since another start would only come upon it again. Anything else as it is.
 */
export function engineWriteFailure(engine: string, directory: string, cause: unknown): unknown {
  if (!isCorruption(cause)) return cause;
  return damaged("STATE_CORRUPT", `${directory}: ${engine} finds its files damaged (${engineReason(cause)})`, cause);
}

function isCorruption(cause: unknown): boolean {
  return codesOf(cause).includes(corruption);
}

function codesOf(error: unknown): unknown[] {
  return error instanceof Error ? [systemCode(error), systemCode(error.cause)] : [];
}
