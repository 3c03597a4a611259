import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseCommandLine } from "./command-line.ts";
import type { Job } from "./seed-job.ts";

/** A run that once found a bug. */
export interface Regression extends Job {
  /** Heading of the bug in docs/bugs-found.md. */
  readonly bug: string;
}

/** The runs of `regressions.txt`. Throws when a line of it is none. */
export function readRegressions(): Regression[] {
  const lines = readFileSync(join(import.meta.dirname, "regressions.txt"), "utf8").split("\n");
  return lines.filter((line) => line.trim() !== "" && !line.startsWith("#")).map(parseLine);
}

function parseLine(line: string): Regression {
  const [flags = "", bug = ""] = line.split("#").map((part) => part.trim());
  const { seed, overrides } = parseCommandLine(flags.split(/\s+/));
  if (seed === undefined || bug === "") throw new Error(`no seed and bug in regressions.txt: ${line}`);
  return { seed, overrides, bug };
}
