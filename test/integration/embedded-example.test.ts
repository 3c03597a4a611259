import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

/** What an example prints, line by line. */
async function runExample(name: string): Promise<readonly string[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [`examples/${name}`], { cwd: root });
  return stdout.trim().split("\n");
}

test("the embedded example prints what its commands come to, before and after its leader goes", async () => {
  expect(await runExample("embedded-map.mjs")).toEqual([
    "set foobar 40",
    "inc foobar 43",
    "dec foobar 42",
    "a reads 42",
    "b reads 42",
    "c reads 42",
    "after the leader has handed over and gone: 100",
    "and at the other one: 100",
  ]);
});

test("the core alone elects, commits, applies and confirms reads under a loop of one page", async () => {
  expect(await runExample("bare-core.mjs")).toEqual([
    "a applied x=1 y=2",
    "b applied x=1 y=2",
    "c applied x=1 y=2",
    "a follower may read at index 3",
  ]);
});
