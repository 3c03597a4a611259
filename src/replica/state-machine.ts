import type { Index } from "../raft/entry.ts";

/** The state's rows as one command sees them. What it writes is visible to it at once, and to others when it is done. */
export interface StateRows {
  /** `undefined` when there is no such row. The array must not be changed. */
  get(key: Uint8Array): Uint8Array | undefined;
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /**
   * First row at or after `start` and before `end`, bytewise; `undefined` when there is none. Only for the small ordered
   * index rows that the state machine keeps for itself (such as expiry), declared by {@link StateMachine.indexPrefix}.
   */
  firstIndexKey(start: Uint8Array, end: Uint8Array): Uint8Array | undefined;
}

/** Where in the log a command stands. */
export interface ApplyContext {
  readonly index: Index;
  /** Leader's wall clock when it appended the entry, milliseconds since 1970. It may run back between leaders. */
  readonly timeMs: number;
}

/**
 * `retrySafe`: once it is applied, applying it again changes nothing, whatever others were applied in between, and comes to the
 * same result; so a member that does not know what became of it may propose it again. That takes a memory of requests in the
 * rows: to set a key to a value is not retrySafe, for the second time would undo what others have set since. `single`: it
 * takes effect each time. `unknown`: this version does not know it in full and could not apply it, so it must not get into
 * the log.
 */
export type CommandNature = "retrySafe" | "single" | "unknown";

/** What a state machine is shown of rows before they come into use. */
export interface RowSurvey {
  /** Begin the keys of the rows that it wants to see; no two of them overlap. Reading the rows delays every start. */
  readonly prefixes: readonly Uint8Array[];
  /** Shows one row. */
  add(key: Uint8Array, value: Uint8Array): void;
  /** The rows are those of the state from now on; the next command is applied to them. Not called when they are given up. */
  takeUp(): void;
}

/**
 * What the log drives. The same commands in the same order must give the same rows and results on every member: no clock,
 * no randomness, no order of insertion. A throw stops the member; domain refusals are results.
 */
export interface StateMachine {
  /**
   * Version of the rows that {@link apply} leaves, from 1 to 2^32 - 1. Members of one version that applied the same entries must
   * have the same rows, whichever versions they ran before; so a release that writes other rows has a higher one, and brings
   * what is there into its own form, or takes its new rules up at an entry of the log. The states of members are compared within one
   * version only. Default 1.
   */
  readonly version?: number;
  /** Keys that begin with this byte string are kept in memory, in order, for {@link StateRows.firstIndexKey}. */
  readonly indexPrefix: Uint8Array;
  /** What can be said of a command without applying it. */
  inspect(command: Uint8Array): CommandNature;
  /** Applies one command and returns its encoded result. */
  apply(command: Uint8Array, context: ApplyContext, rows: StateRows): Uint8Array;
  /** Whether a command may add to the rows; asked only when there is no room left. Default: every command may. */
  mayGrow?(command: Uint8Array, rows: Pick<StateRows, "get">): boolean;
  /** About how many bytes the keys and values of all rows come to, for progress and for the quota. Default: not known. */
  stateBytes?(rows: Pick<StateRows, "get">): number;
  /**
   * Begins to look at rows that are to take the place of all others: at a start, and when a snapshot is installed, while commands
   * are applied to the rows before. For what the machine keeps in memory about its rows; nothing that a command comes to may
   * depend on it. Default: nothing is kept.
   */
  survey?(): RowSurvey;
  /** Revision of the state, for people who compare members. Default: not known. */
  revision?(rows: Pick<StateRows, "get">): number;
}
