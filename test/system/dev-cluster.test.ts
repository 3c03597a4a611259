import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFailed, onTestFinished, test } from "vitest";
import { type ProcessExit, type StartedProcess, startProcess, stopProcess } from "../lib/child-process.ts";
import { findFreePortRun } from "../lib/free-ports.ts";
import { raftkvCommand } from "../lib/process-cluster.ts";
import { waitUntil } from "../lib/wait-until.ts";

/** Exit code and standard output of a raftkv command. */
function raftkv(...args: readonly string[]): Promise<{ readonly code: unknown; readonly output: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [raftkvCommand, ...args], (error, output) =>
      resolve({ code: error === null ? 0 : error.code, output }),
    );
  });
}

async function interrupt(dev: StartedProcess): Promise<ProcessExit> {
  dev.signal("SIGINT");
  return dev.exited;
}

test("the local cluster serves every verb, stops on Ctrl-C, and finds its data when it starts again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-dev-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const first = await findFreePortRun(9);
  const ports = ["--client-port", String(first), "--peer-port", String(first + 3), "--metrics-port", String(first + 6)];
  const endpoints = ["--endpoints", [0, 1, 2].map((offset) => `127.0.0.1:${first + offset}`).join(",")];
  const start = async () => {
    const dev = await startProcess(process.execPath, [raftkvCommand, "dev", "--data-dir", directory, ...ports]);
    onTestFinished(() => stopProcess(dev).then(() => {}));
    onTestFailed(() => {
      process.stderr.write(`${dev.output.join("\n")}\n`);
    });
    await waitUntil(async () => (await raftkv("status", ...endpoints)).code === 0, {
      what: "raftkv status finds all members well",
      timeoutMs: 60_000,
    });
    return dev;
  };

  const dev = await start();
  expect(await raftkv("put", "greeting", "hello", ...endpoints)).toMatchObject({ code: 0 });
  expect(await raftkv("increment", "visits", ...endpoints)).toMatchObject({ code: 0 });
  expect((await raftkv("get", "greeting", ...endpoints)).output.trim()).toBe("hello");
  expect(await raftkv("get", "missing", ...endpoints)).toMatchObject({ code: 3 });
  expect(await interrupt(dev)).toEqual({ code: 0, signal: null });
  expect(await raftkv("get", "greeting", ...endpoints, "--timeout", "1s")).toMatchObject({ code: 5 });

  const again = await start();
  expect((await raftkv("get", "greeting", ...endpoints)).output.trim()).toBe("hello");
  expect((await raftkv("get", "visits", ...endpoints)).output.trim()).toBe("1");
  expect(await interrupt(again)).toEqual({ code: 0, signal: null });
});
