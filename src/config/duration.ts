import { type Parsed, parsed, unparsed } from "./parsed.ts";

const unitMs = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const pattern = /^(\d{1,12}(?:\.\d{1,3})?)(ms|s|m|h)$/;

/** Reads a duration such as "500ms", "1.5s", "10m" or "1h" as whole milliseconds. */
export function parseDuration(text: string): Parsed<number> {
  const match = pattern.exec(text);
  if (match === null) return unparsed('a duration is a number with a unit: "500ms", "10s", "1m" or "1h"');
  const ms = Number(match[1]) * unitMs[match[2] as keyof typeof unitMs];
  return Number.isInteger(ms) ? parsed(ms) : unparsed("a duration is a whole number of milliseconds");
}

/** Writes milliseconds in the largest unit that keeps them whole: 60000 is "1m", 1500 is "1500ms". */
export function formatDuration(ms: number): string {
  for (const unit of ["h", "m", "s"] as const) {
    if (ms > 0 && ms % unitMs[unit] === 0) return `${ms / unitMs[unit]}${unit}`;
  }
  return `${ms}ms`;
}
