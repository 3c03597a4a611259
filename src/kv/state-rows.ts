/**
 * The state's rows as one command sees them. Mirrors the port of the replica, which this room must not import; the two are
 * held equal by the type checker where they meet.
 */
export interface StateRows {
  /** `undefined` when there is no such row. The array must not be changed. */
  get(key: Uint8Array): Uint8Array | undefined;
  put(key: Uint8Array, value: Uint8Array): void;
  delete(key: Uint8Array): void;
  /** First row at or after `start` and before `end`, bytewise, among the rows under {@link StateMachine.indexPrefix}. */
  firstIndexKey(start: Uint8Array, end: Uint8Array): Uint8Array | undefined;
}

/** What reading needs of the rows. */
export type RowReader = (key: Uint8Array) => Uint8Array | undefined;

/** Where in the log a command stands. */
export interface ApplyContext {
  readonly index: number;
  /** Leader's wall clock when it appended the entry, whole milliseconds since 1970. It may run back between leaders. */
  readonly timeMs: number;
}

/** Shows rows to a state machine before they come into use; mirrors the replica's port as {@link StateRows} does. */
export interface RowSurvey {
  /** Begin the keys of the rows that are shown; no two of them overlap. */
  readonly prefixes: readonly Uint8Array[];
  /** Shows one row. */
  add(key: Uint8Array, value: Uint8Array): void;
  /** The rows are those of the state from now on. */
  takeUp(): void;
}

/** What the log drives; mirrors the replica's port as {@link StateRows} does. */
export interface StateMachine {
  readonly version: number;
  readonly indexPrefix: Uint8Array;
  inspect(command: Uint8Array): "retrySafe" | "single" | "unknown";
  apply(command: Uint8Array, context: ApplyContext, rows: StateRows): Uint8Array;
  stateBytes(rows: Pick<StateRows, "get">): number;
  survey(): RowSurvey;
}

/** The rows contradict each other or cannot be read: the member does not know its own state and must stop. */
export class BrokenStateError extends Error {
  override readonly name = "BrokenStateError";
}

/** A row that other rows say is there. Throws {@link BrokenStateError}, naming `what`, when it is not. */
export function existingRow(rows: StateRows, key: Uint8Array, what: string): Uint8Array {
  const row = rows.get(key);
  if (row === undefined) throw new BrokenStateError(`the row of the ${what} is missing from the state`);
  return row;
}
