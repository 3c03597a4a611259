import type { KvLimits } from "./kv-limits.ts";
import type { StateRows } from "./state-rows.ts";
import type { Summary } from "./summary.ts";

/** What the parts of one command's application share. */
export interface Turn {
  readonly rows: StateRows;
  readonly limits: KvLimits;
  /** The state's summary, written back when the command is done. Its `timeMs` is the time of the command. */
  readonly summary: Summary;
}
