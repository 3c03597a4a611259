/** A broken invariant of the core: its state cannot be trusted any more, and the process must stop. */
export class RaftInvariantError extends Error {
  override readonly name = "RaftInvariantError";
}

/** A leader counts on entries that this member once acknowledged and does not have. Its log was lost, or replaced by an older one. */
export class EntriesLostError extends RaftInvariantError {}

/**
 * Stops with {@link RaftInvariantError} unless `condition` holds. Stays on in production: a message that has to be put together
 * is given as a function, so that it costs nothing while the condition holds.
 */
export function invariant(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) throw new RaftInvariantError(typeof message === "string" ? message : message());
}
