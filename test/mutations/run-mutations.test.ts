import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { mutations } from "./catalogue.ts";
import type { Catcher } from "./catchers.ts";
import { edit, type Mutation } from "./mutation.ts";
import { runMutations } from "./run-mutations.ts";
import { repositoryRoot } from "./workspace.ts";

function numbered(number: number): Mutation {
  const found = mutations.find((mutation) => mutation.number === number);
  if (found === undefined) throw new Error(`there is no mutation ${number}`);
  return found;
}

const majority = numbered(1);
const quorum = () => readFileSync(join(repositoryRoot, "src/raft/quorum.ts"), "utf8");

test("faults are noticed by tests, by random runs of the core, and by simulated clusters", {
  timeout: 180_000,
}, async () => {
  const before = quorum();
  const list = [majority, { ...majority, tests: [] }, { ...numbered(161), tests: [] }];
  const results = await runMutations(list, { coreSeeds: 3, seeds: 5, jobs: 2 });
  expect(results.map(({ problem }) => problem)).toEqual([undefined, undefined, undefined]);
  const [test, core, simulator] = results.map(({ caughtBy }) => caughtBy);
  expect(test).toMatch(/^`test\/raft\/quorum\.test\.ts`: a majority of /);
  expect(core).toMatch(/^core run \d+: /);
  expect(simulator).toMatch(/^simulator, seed \d+: /);
  expect(quorum()).toBe(before);
});

const passes: Catcher = { name: "passes", run: async () => ({ type: "passed" }) };
const fails: Catcher = { name: "fails", run: async () => ({ type: "caught", by: "something", again: fails }) };
/** Fails twice, as long as the mutation is applied, and then passes. */
let failures = 2;
const notices: Catcher = {
  name: "notices",
  run: async () => (failures-- > 0 ? { type: "caught", by: "a test", again: notices } : { type: "passed" }),
};
const mistyped = { ...majority, edits: [edit("raft/quorum.ts", "let count = 0;", 'let count = "0";')] };
const outdated = { ...majority, edits: [edit("raft/quorum.ts", "no such text", "")] };

test.each([
  ["that nothing notices", majority, passes, "nothing noticed it"],
  ["that nothing notices, for a reason", { ...majority, equivalent: "so" }, passes, undefined],
  ["that is noticed in spite of its reason", { ...majority, equivalent: "so" }, notices, "said to be equivalent"],
  ["noticed by what fails without it as well", majority, fails, "fails without the mutation as well"],
  ["that does not compile", mistyped, notices, "the compiler refuses it"],
  ["that no longer applies", outdated, notices, "holds 0 times, instead of once"],
])("a fault %s", { timeout: 60_000 }, async (_name, mutation: Mutation, catcher, problem) => {
  const [result] = await runMutations([mutation], { catchers: () => [catcher] });
  expect(result?.problem).toEqual(problem === undefined ? undefined : expect.stringContaining(problem));
});
