import { resolve } from "node:path";
import type { MemberConfig } from "../config/member-config.ts";
import { RaftKvError } from "../lib/errors.ts";
import { EntriesLostError } from "../raft/assert.ts";

/** An {@link EntriesLostError} as `DATA_LOST`, with the directory and what to do; any other error as it is. */
export function explainLostEntries(
  error: unknown,
  { name, dataDir, advertisePeerAddress }: Pick<MemberConfig, "name" | "dataDir" | "advertisePeerAddress">,
): unknown {
  if (!(error instanceof EntriesLostError)) return error;
  const message =
    `${resolve(dataDir)} does not hold what this member has acknowledged: it was emptied, or an older copy took its place ` +
    `(${error.message}). Do not start the member with it again. On another member run ` +
    `"raftkv member replace ${name} ${name} --peer-address ${advertisePeerAddress}", then start this one with --join on an empty directory`;
  return new RaftKvError("DATA_LOST", message, { cause: error });
}
