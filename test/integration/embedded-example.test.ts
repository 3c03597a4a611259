import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");

test("the embedded example prints what its commands come to, before and after its leader goes", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["examples/embedded-map.mjs"], { cwd: root });
  expect(stdout.trim().split("\n")).toEqual([
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
