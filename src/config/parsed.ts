/** What became of one text: a value, or why it is none, worded to follow "NAME is VALUE: ". */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** A text that was understood. */
export function parsed<T>(value: T): Parsed<T> {
  return { ok: true, value };
}

/** A text that was not. */
export function unparsed(problem: string): { readonly ok: false; readonly problem: string } {
  return { ok: false, problem };
}
