/** A rule was broken: the run has found a bug, in the product or in the simulator. */
export class BrokenRule extends Error {
  override readonly name = "BrokenRule";
  /** Which rule, in a word or two; shrinking looks for the same one. */
  readonly rule: string;

  constructor(rule: string, detail: string, options?: { readonly cause?: unknown }) {
    super(`${rule}: ${detail}`, options);
    this.rule = rule;
  }
}

/** Stops the run unless `holds`; the detail is told only then, since most rules are looked at millions of times. */
export function check(holds: boolean, rule: string, detail: () => string): asserts holds {
  if (!holds) throw new BrokenRule(rule, detail());
}

/** Which rule an error says was broken. */
export function brokenRuleOf(error: unknown): string {
  return error instanceof BrokenRule ? error.rule : "the simulator itself";
}
