/** A rule of Raft was broken. */
export class BrokenRule extends Error {
  override readonly name = "BrokenRule";
}

/** Stops the run unless `holds`. */
export function rule(holds: boolean, text: string): asserts holds {
  if (!holds) throw new BrokenRule(text);
}
