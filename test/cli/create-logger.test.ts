import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, read, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { createLogger } from "../../src/cli/create-logger.ts";

function temporaryPath(): string {
  const directory = mkdtempSync(join(tmpdir(), "raftkv-log-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  return join(directory, "log");
}

test("lines are JSON with level, time and member, from the configured level up", async () => {
  const path = temporaryPath();
  const log = createLogger({ name: "n1", logLevel: "warn" }, openSync(path, "w"));
  log.info({}, "unseen");
  log.warn({ term: 3 }, "seen");
  log.fatal({ err: new Error("why") }, "last");
  await log.close(9_000);
  const lines = readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    { level: "warn", member: "n1", term: 3, msg: "seen", time: expect.stringMatching(/^\d{4}-.*Z$/) },
    { level: "fatal", msg: "last", err: { message: "why", stack: expect.any(String) } },
  ]);
});

test("a reader who stalls costs lines, which are counted, and does not block the writer", async () => {
  const path = temporaryPath();
  execFileSync("mkfifo", [path]);
  // Read and write, so that opening waits for nobody; writing blocks as soon as the pipe is full.
  const pipe = openSync(path, constants.O_RDWR);
  const log = createLogger({ name: "n1", logLevel: "info" }, pipe);
  const payload = "x".repeat(1000);
  for (let line = 0; line < 3000; line++) log.info({ payload }, "noise");

  // The reader is back, and finds out what it has missed.
  const buffer = Buffer.alloc(1 << 20);
  let text = "";
  while (!/"lines":\d+/.test(text)) {
    const { bytesRead } = await promisify(read)(pipe, buffer, 0, buffer.length, null);
    text += buffer.toString("utf8", 0, bytesRead);
  }
  const lines = text.trimEnd().split("\n");
  const [, dropped] = /"lines":(\d+)/.exec(text) ?? [];
  expect(lines.filter((line) => line.includes("noise")).length + Number(dropped)).toBe(3000);
  await log.close(1000);
  closeSync(pipe);
});

test("a reader who never comes back does not hold up the end", async () => {
  const path = temporaryPath();
  execFileSync("mkfifo", [path]);
  const pipe = openSync(path, constants.O_RDWR);
  const log = createLogger({ name: "n1", logLevel: "info" }, pipe);
  for (let line = 0; line < 3000; line++) log.info({ payload: "x".repeat(1000) }, "noise");
  await log.close(10);
  // Let the write that is stuck in the pipe end, or this process could not.
  await promisify(read)(pipe, Buffer.alloc(1 << 20), 0, 1 << 20, null);
});
