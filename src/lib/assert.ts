/** A broken invariant: the process cannot know its own state any more and must stop. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/** Stops with {@link AssertionError} unless `condition` holds. Assertions stay on in production. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The branch that the type checker proves unreachable; reached only when a type lies. */
export function unreachable(value: never, what: string): never {
  throw new AssertionError(`unexpected ${what}: ${JSON.stringify(value)}`);
}
