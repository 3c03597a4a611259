import type { ConfigurationAt } from "./configuration-history.ts";
import type { LogPosition } from "./entry.ts";

/** What stands before the first entry of a log, or where a snapshot stands: a position, and the configuration in force there. */
export interface LogBase extends LogPosition {
  /** Its index is at most that of the position. */
  readonly configuration: ConfigurationAt;
}
