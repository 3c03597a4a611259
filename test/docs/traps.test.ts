import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import { projectFiles } from "../repository/source-files.ts";
import { situations } from "../simulation/coverage.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(resolve(root, path), "utf8");

interface Row {
  readonly number: number;
  readonly rule: string;
  readonly proofs: readonly string[];
}

const rows: readonly Row[] = read("docs/traps.md")
  .split("\n")
  .filter((line) => /^\| \d/.test(line))
  .map((line) => {
    const [, number = "", , rule = "", proofs = ""] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
    return { number: Number(number), rule, proofs: proofs.split("<br>") };
  });

/** From `first` to `last`, both included. */
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);

/** Rules that a simulated cluster is checked for, by the name that a failure tells. */
const simulatorText = projectFiles((path) => /^test\/simulation\/[a-z-]+\.ts$/.test(path))
  .map(({ text }) => text)
  .join("\n");

/** Whether a quoted name stands in a text, in the code of a test. */
const quotes = (text: string, name: string): boolean =>
  ['"', "'", "`"].some((quote) => text.includes(`${quote}${name}${quote}`));

/** What is wrong with a proof; `undefined` when what it names is there. */
function problemOf(proof: string): string | undefined {
  const [, kind, name = ""] = /^simulator, (situation|rule) `([^`]+)`$/.exec(proof) ?? [];
  if (kind === "situation") return situations.some((each) => each === name) ? undefined : `no situation ${name}`;
  if (kind === "rule") return quotes(simulatorText, name) ? undefined : `no rule ${name}`;
  const [, path = "", title = ""] = /^`(test\/[^`]+)`: (.+)$/.exec(proof) ?? [];
  if (path === "") return `neither a test nor anything of the simulator: ${proof}`;
  if (!existsSync(resolve(root, path))) return `no file ${path}`;
  return quotes(read(path), title.replaceAll("\\|", "|")) ? undefined : `${path} has no test ${title}`;
}

describe("the map of traps", () => {
  test("has every trap that it must have, once and in order", () => {
    const numbers = rows.map(({ number }) => number);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(numbers).toEqual(expect.arrayContaining([...range(1, 79), ...range(91, 95)]));
  });

  test.each(rows.map(({ number, proofs }) => [number, proofs] as const))(
    "trap %i names at least one test, and nothing that is not there",
    (_number, proofs) => {
      expect(proofs.map(problemOf).filter((problem) => problem !== undefined)).toEqual([]);
      expect(proofs.filter((proof) => proof.startsWith("`test/"))).not.toEqual([]);
    },
  );

  test("names files of the product that exist", () => {
    const named = rows.flatMap(({ rule }) => [...rule.matchAll(/`(src\/[^`]+)`/g)].map(([, path = ""]) => path));
    expect(named.filter((path) => !existsSync(resolve(root, path)))).toEqual([]);
    expect(rows.filter(({ rule }) => !rule.includes("`src/")).map(({ number }) => number)).toEqual([]);
  });

  test("has every test that is named after a trap of the map", () => {
    const listed = new Set(rows.flatMap(({ number, proofs }) => proofs.map((proof) => `${number} ${proof}`)));
    const named = projectFiles((path) => /^test\/.*\.test\.ts$/.test(path)).flatMap(({ path, text }) =>
      [...text.matchAll(/(["'`])traps? (\d+)(?: and (\d+))?: .+?(?<!\\)\1/g)].flatMap(([quoted, , first, second]) =>
        [first, second].flatMap((number) =>
          number === undefined ? [] : [`${number} \`${path}\`: ${quoted.slice(1, -1).replaceAll("|", "\\|")}`],
        ),
      ),
    );
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter((each) => !listed.has(each))).toEqual([]);
  });
});

test("what is not there is found", () => {
  expect(problemOf("simulator, situation `nothingOfTheKind`")).toBe("no situation nothingOfTheKind");
  expect(problemOf("simulator, rule `no such rule`")).toBe("no rule no such rule");
  expect(problemOf("`test/no-file.test.ts`: x")).toBe("no file test/no-file.test.ts");
  expect(problemOf("`test/docs/links.test.ts`: trap 0")).toBe("test/docs/links.test.ts has no test trap 0");
});
