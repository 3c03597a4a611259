import { type Parsed, parsed, unparsed } from "./parsed.ts";

const unitBytes = { B: 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 } as const;
const pattern = /^(\d{1,12})(B|KiB|MiB|GiB)?$/;

/** Reads a number of bytes such as "1MiB", "64KiB", "512B" or "512". */
export function parseByteSize(text: string): Parsed<number> {
  const match = pattern.exec(text);
  if (match === null) return unparsed('a size is a whole number with a unit: "512B", "64KiB", "1MiB" or "1GiB"');
  return parsed(Number(match[1]) * unitBytes[(match[2] ?? "B") as keyof typeof unitBytes]);
}

/** Writes bytes in the largest unit that keeps them whole: 1048576 is "1MiB", 1000 is "1000B". */
export function formatByteSize(bytes: number): string {
  for (const unit of ["GiB", "MiB", "KiB"] as const) {
    if (bytes > 0 && bytes % unitBytes[unit] === 0) return `${bytes / unitBytes[unit]}${unit}`;
  }
  return `${bytes}B`;
}
