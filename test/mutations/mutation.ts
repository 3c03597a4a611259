/** One place of the sources, and what stands there instead. */
export interface Edit {
  /** Path from the top of the repository. */
  readonly file: string;
  /** Text that the file holds exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A small deliberate fault: the tests are worth what they notice of these. */
export interface Mutation {
  /** Stays when others come and go. */
  readonly number: number;
  /** What is wrong with the product then, in a few words. */
  readonly fault: string;
  /** Its row in the collection of mutations that this list began with. */
  readonly row?: number;
  /** Numbers of the collection of traps (docs/traps.md) whose bug this is. */
  readonly traps?: readonly number[];
  readonly edits: readonly Edit[];
  /** Test files that are asked first, below `test`. */
  readonly tests: readonly string[];
  /** Why no test can notice it, where that is so. A survivor without this fails the run, and so does a catch in spite of it. */
  readonly equivalent?: string;
}

/** An edit of a file of `src`. */
export function edit(file: string, find: string, replace: string): Edit {
  return { file: `src/${file}`, find, replace };
}

/** The text of a file with an edit made. Throws unless the text to find is there exactly once. */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const parts = text.split(find);
  if (parts.length !== 2)
    throw new Error(`${file} holds ${parts.length - 1} times, instead of once: ${find} (mend test/mutations)`);
  if (replace === find) throw new Error(`${file} would stay as it is: ${find}`);
  return parts.join(replace);
}
