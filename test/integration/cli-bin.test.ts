import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import vm from "node:vm";
import { expect, onTestFinished, test } from "vitest";

const bin = fileURLToPath(new URL("../../bin", import.meta.url));

test("says what to do when nothing has been built", async () => {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-bin-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const copy = join(directory, "bin");
  cpSync(bin, copy, { recursive: true });
  const { code, stderr } = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(process.execPath, [join(copy, "raftkv"), "version"], (error, _, stderr) =>
      resolve({ code: error?.code, stderr }),
    );
  });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^raftkv: \S+dist\/cli\/main\.js is missing; run "make build"\n$/);
});

test("says which Node it needs on one that is too old", () => {
  const fake = {
    versions: { node: "18.20.4" },
    stderr: { text: "", write: (text: string) => (fake.stderr.text += text) },
    exitCode: 0,
  };
  const script = readFileSync(join(bin, "raftkv"), "utf8").replace(/^#!.*/, "");
  const require = (name: string) =>
    name === "node:path" ? { join: () => "" } : { existsSync: () => true, pathToFileURL: () => "" };
  vm.runInNewContext(script, { process: fake, require, __dirname: bin });
  expect([fake.stderr.text, fake.exitCode]).toEqual(["raftkv: needs Node 20 or newer; this is 18.20.4\n", 1]);
});

test.runIf(existsSync("/dev/full"))("fails when not all of its output can be written", async () => {
  const main = fileURLToPath(new URL("../../src/cli/main.ts", import.meta.url));
  const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];
  const command = spawn(process.execPath, [...flags, main, "version"], {
    stdio: ["ignore", openSync("/dev/full", "w"), "pipe"],
  });
  let told = "";
  command.stderr?.on("data", (bytes) => {
    told += String(bytes);
  });
  expect(await once(command, "close")).toEqual([1, null]);
  expect(told).toMatch(/^raftkv: standard output cannot be written \(ENOSPC: no space left on device, write\)\n$/);
});
