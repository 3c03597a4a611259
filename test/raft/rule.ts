/** A rule of Raft was broken. */
export class BrokenRule extends Error {
  override readonly name = "BrokenRule";
}

/** Stops the run unless `holds`; the text is made only then, since most rules are looked at millions of times. */
export function rule(holds: boolean, text: string | (() => string)): asserts holds {
  if (!holds) throw new BrokenRule(typeof text === "string" ? text : text());
}
