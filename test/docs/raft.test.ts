import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { expect, test } from "vitest";
import { projectFiles } from "../repository/source-files.ts";

const root = resolve(import.meta.dirname, "../..");

/** The rules: what each says, and the files that it names. */
const rules = readFileSync(resolve(root, "docs/raft.md"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| rule "))
  .map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
  .map(([, rule = "", , file = ""]) => ({
    rule,
    files: [...file.matchAll(/`([a-z-]+\.ts)`/g)].map(([, name = ""]) => name),
  }));

/** Parts that carry out no rule: values, plumbing, and the door. */
const withoutRules = [
  ...["assert", "configuration", "entry", "index", "log-base", "message", "options", "random", "ready"],
  ...["leader-turn", "step"],
].map((name) => `${name}.ts`);

test("each rule names the files that carry it out, and they are there", () => {
  expect(rules.length).toBeGreaterThan(60);
  expect(rules.filter(({ files }) => files.length === 0)).toEqual([]);
  const named = rules.flatMap(({ files }) => files);
  expect(named.filter((name) => !existsSync(resolve(root, "src/raft", name)))).toEqual([]);
});

test("no part of the core is left out", () => {
  const named = new Set(rules.flatMap(({ files }) => files));
  const parts = projectFiles((path) => /^src\/raft\/[a-z-]+\.ts$/.test(path)).map(({ path }) =>
    path.slice("src/raft/".length),
  );
  expect(parts.filter((name) => !named.has(name)).toSorted()).toEqual(withoutRules.toSorted());
});
