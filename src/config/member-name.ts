import { type Parsed, parsed, unparsed } from "./parsed.ts";

/** Reads a member's name: it becomes part of a path and of the initial cluster, so it is as strict as a host name. */
export function parseMemberName(text: string): Parsed<string> {
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(text)
    ? parsed(text)
    : unparsed("a name is 1 to 63 letters, digits, dots, dashes or underscores, and begins with a letter or digit");
}
