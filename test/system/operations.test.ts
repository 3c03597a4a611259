// Runs the sections of docs/operations.md, each as one shell session in a directory of its own, and compares what each example
// prints with what the document shows (readme-examples.ts). Every section begins with the cluster that the document's
// introduction starts, on the default ports; what still runs at its end is ended by the session itself.

import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { isPortFree } from "../lib/free-ports.ts";
import { engineUnderTest } from "../lib/test-engine.ts";
import { findExamples, matchesOutput } from "./readme-examples.ts";

const root = join(import.meta.dirname, "../..");
const [introduction = "", ...sections] = readFileSync(join(root, "docs/operations.md"), "utf8").split(/^## /m);
const titled = sections.map((section) => [section.slice(0, section.indexOf("\n")), section] as const);
const beginning = /```sh\n([\s\S]*?)\n```/.exec(introduction)?.[1] ?? "";
const execute = promisify(execFile);

const taken: number[] = [];
for (const port of [50051, 50052, 50053, 7001, 7002, 7003, 9091, 9092, 9093])
  if (!(await isPortFree(port))) taken.push(port);

/** Stands between the outputs of two examples. */
const seam = "-- next example --";

describe("examples of docs/operations.md", () => {
  test.for(titled)("%s", { timeout: 240_000 }, async ([, section], context) => {
    context.skip(taken.length > 0, `default ports are in use: ${taken.join(", ")}`);
    const foreign = section.includes("engine-classic-level") && engineUnderTest() !== "classic-level";
    context.skip(foreign, "it shows files of the other engine");
    const examples = findExamples(section);
    expect(examples.length).toBeGreaterThan(0);
    const directory = mkdtempSync(join(tmpdir(), "raftkv-operations-"));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const script = [
      // Job control, so that %1 is known and what is left is ended with its children.
      "set -e -m",
      `trap 'for JOB in $(jobs -p); do kill $JOB; done; wait' EXIT`,
      beginning,
      ...examples.map(({ command }) => `${command}\necho '${seam}'`),
    ].join("\n");
    const path = `${join(root, "bin")}:${process.env["PATH"]}`;
    const { stdout } = await execute("bash", ["-c", script], {
      cwd: directory,
      env: { ...process.env, PATH: path },
      timeout: 200_000,
    });
    const printed = stdout.split(`${seam}\n`);
    for (const [at, { output, command }] of examples.entries()) {
      if (output === undefined) continue;
      expect(matchesOutput(output, printed[at] ?? ""), `${command}\nprinted:\n${printed[at]}`).toBe(true);
    }
  });
});
