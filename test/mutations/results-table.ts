import type { MutationResult } from "./run-mutations.ts";

const begin = "<!-- mutations: written by npm run mutations -- --markdown -->";
const end = "<!-- end of mutations -->";

/** Lines for a terminal: number, seconds, fault, and what became of it. */
export function resultLines(results: readonly MutationResult[]): string[] {
  const width = Math.max(...results.map(({ mutation }) => mutation.fault.length));
  return results.map((result) => {
    const { mutation, seconds } = result;
    const number = String(mutation.number).padStart(3);
    return `${number}  ${seconds.toFixed(1).padStart(6)} s  ${mutation.fault.padEnd(width)}  ${verdict(result)}`;
  });
}

/** What became of a mutation, in words. */
export function verdict({ mutation, caughtBy, problem }: MutationResult): string {
  if (problem !== undefined) return caughtBy === undefined ? `PROBLEM: ${problem}` : `PROBLEM: ${caughtBy}, ${problem}`;
  return caughtBy ?? `survives, equivalent because ${mutation.equivalent ?? "of nothing"}`;
}

/** `document` with the rows of `results` put in its table of mutations; rows of mutations that were not tried stay. */
export function withResults(document: string, results: readonly MutationResult[]): string {
  const [before, rest] = splitOnce(document, begin);
  const [table, after] = splitOnce(rest, end);
  const rows = new Map(rowsOf(table));
  for (const result of results) rows.set(result.mutation.number, row(result));
  const ordered = [...rows].sort(([a], [b]) => a - b).map(([, line]) => line);
  const head = ["| no. | fault | origin | noticed by |", "|---|---|---|---|"];
  return `${before}${begin}\n${[...head, ...ordered].join("\n")}\n${end}${after}`;
}

/** The numbers that the table of `document` has a row of, in order. */
export function numbersIn(document: string): number[] {
  const [, rest] = splitOnce(document, begin);
  return rowsOf(splitOnce(rest, end)[0]).map(([number]) => number);
}

function rowsOf(table: string): [number, string][] {
  return table
    .split("\n")
    .flatMap((line): [number, string][] => (/^\| \d/.test(line) ? [[Number.parseInt(line.slice(2), 10), line]] : []));
}

function row(result: MutationResult): string {
  const { number, fault, row: listed, traps = [] } = result.mutation;
  const origin = [...(listed === undefined ? [] : [`row ${listed}`]), ...traps.map((trap) => `trap ${trap}`)];
  const cells = [String(number), fault, origin.join(", "), verdict(result)];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  if (at < 0) throw new Error(`the document has no ${mark}`);
  return [text.slice(0, at), text.slice(at + mark.length)];
}
