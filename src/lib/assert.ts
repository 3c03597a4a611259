/** A broken invariant: the process cannot know its own state any more and must stop. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Stops with {@link AssertionError} unless `condition` holds. Assertions stay on in production: a message that has to be put
 * together is given as a function, so that it costs nothing while they hold.
 */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === "string" ? message : message());
}

/** The branch that the type checker proves unreachable; reached only when a type lies. */
export function unreachable(value: never, what: string): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`);
}
