import { RaftKvError } from "../lib/errors.ts";

/** What damage is answered with: `what` names the thing and says what is wrong with it; the advice is the same for all. */
export function damaged(code: "LOG_CORRUPT" | "STATE_CORRUPT", what: string, cause?: unknown): RaftKvError {
  return new RaftKvError(code, `${what}; do not delete the directory, replace the member`, { cause });
}
