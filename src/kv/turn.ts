import type { HeldBytes } from "./held-bytes.ts";
import type { KvLimits } from "./kv-limits.ts";
import type { StateRows } from "./state-rows.ts";
import type { Summary } from "./summary.ts";

/** What the parts of one command's application share. */
export interface Turn {
  readonly rows: StateRows;
  readonly limits: KvLimits;
  /** The state's summary, written back when the command is done. Its `timeMs` is the time of the command. */
  readonly summary: Summary;
  /** What sessions hold, kept up by whoever changes it. No part of the state: what a command comes to must not depend on it. */
  readonly held: HeldBytes;
}
