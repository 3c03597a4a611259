import { RaftKvError } from "../lib/errors.ts";
import { damaged } from "./damaged.ts";
import { systemCode } from "./data-directory.ts";
import { engineReason } from "./engine-reason.ts";

/** Code of either engine's binding for an error behind which there is damage. */
const corruption = "LEVEL_CORRUPTION";

/**
 * What an engine that does not open is answered with: `STATE_CORRUPT` where it found one of its files damaged, its manifest
 * or `CURRENT` among them, and `DIRECTORY_UNUSABLE` for everything else, such as a full disk.
 */
export function engineRefusal(engine: string, directory: string, cause: unknown): RaftKvError {
  const reason = engineReason(cause);
  if (codesOf(cause).includes(corruption))
    return damaged("STATE_CORRUPT", `${directory}: ${engine} finds its files damaged (${reason})`, cause);
  return new RaftKvError("DIRECTORY_UNUSABLE", `${directory}: ${engine} does not open (${reason})`, { cause });
}

function codesOf(error: unknown): unknown[] {
  return error instanceof Error ? [systemCode(error), systemCode(error.cause)] : [];
}
