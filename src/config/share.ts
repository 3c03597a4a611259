import { type Parsed, parsed, unparsed } from "./parsed.ts";

/** Reads a share such as "10%" or "0.5%"; 0.1 of the whole is "10%". */
export function parseShare(text: string): Parsed<number> {
  const match = /^(\d{1,3}(?:\.\d{1,3})?)%$/.exec(text);
  return match === null
    ? unparsed('a share is a number with a percent sign: "10%" or "0.5%"')
    : parsed(Number(match[1]) / 100);
}

/** Writes a share in percent, to a thousandth: 0.1 is "10%". */
export function formatShare(share: number): string {
  return `${Number((share * 100).toFixed(3))}%`;
}
