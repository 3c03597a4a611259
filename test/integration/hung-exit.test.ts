import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";

const processHost = join(import.meta.dirname, "../../src/cli/process-host.ts");

test("trap 58: a process with a thread that hangs at the disk ends when it kills itself", async () => {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-hang-"));
  const pipe = join(directory, "pipe");
  execFileSync("mkfifo", [pipe]);
  // To open a pipe for reading waits for somebody who opens it for writing, as a sync waits for its disk.
  const script = `
    import { open } from "node:fs";
    import { createProcessHost } from ${JSON.stringify(processHost)};
    open(${JSON.stringify(pipe)}, "r", () => {});
    setImmediate(() => createProcessHost(process).kill());
  `;
  const child = spawn(process.execPath, ["--input-type=module", "--eval", script], { stdio: "inherit" });
  onTestFinished(() => {
    child.kill("SIGKILL");
    closeSync(openSync(pipe, constants.O_RDWR));
    rmSync(directory, { recursive: true });
  });
  expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
});
