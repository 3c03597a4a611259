import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { scopes } from "./scopes.ts";

const main = resolve(import.meta.dirname, "main.ts");
const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];

/** Runs the command as `npm run model-check` does; what it printed. Rejects when it finds anything. */
async function modelCheck(...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, main, ...args]);
  return stdout;
}

/** Scopes of less than 100,000 states each; `npm run model-check` searches the others, too. */
const quick = ["pair", "pre-vote", "duplicates", "grow", "shrink", "remove-leader", "snapshot"];

describe("every state of a small world keeps the rules of Raft:", () => {
  test.each(scopes.filter(({ name }) => quick.includes(name)))("$name", async ({ name }) => {
    const found = /: (\d+) states, .* depth (\d+), all of it;/.exec(await modelCheck("--scope", name));
    expect(Number(found?.[1])).toBeGreaterThan(1000);
    expect(Number(found?.[2])).toBeGreaterThan(10);
  });
});

describe("a core that is broken on purpose is found out:", () => {
  test.each([
    [1, "pair", "entry 1 of term 1 is committed and not durable on a quorum"],
    [3, "entries", "leader completeness: "],
    [6, "pair", "changed its durable vote in term 1"],
    [31, "entries", "log matching: "],
    [39, "pair", "committed entry 1 of an earlier term by counting"],
    [48, "pair", "acknowledged entry 1 before it was durable"],
    [80, "reads-of-a-pair", "stale read: "],
  ])("mutation %i in the scope %s", async (number, scope, reason) => {
    const output = await modelCheck("--faults", "--only", String(number), "--scope", scope, "--states", "60000");
    expect(output).toContain(`: ${scope}, `);
    expect(output).toContain(reason);
    expect(output).toContain("1 of 1 faults are shown");
  });
});

test("a search that was stopped by a limit says so, and fails", async () => {
  await expect(modelCheck("--scope", "pair", "--states", "100")).rejects.toMatchObject({
    code: 1,
    stdout: expect.stringContaining("NOT all of it: stopped by a limit"),
  });
});

test("the way to a broken rule is told move by move", async () => {
  const output = await modelCheck("--faults", "--only", "9", "--scope", "pair");
  expect(output).toContain("1. a is told to campaign\n");
  expect(output).toContain("a told of term 1 before it was durable");
});
