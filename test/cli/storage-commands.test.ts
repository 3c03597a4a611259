import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { ProgressLine } from "../../src/cli/progress-line.ts";
import { cli } from "./fake-cli.ts";

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "raftkv-storage-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

describe("storage convert", () => {
  test("says what stands against it", async () => {
    const directory = await newDirectory();
    const { code, stderr } = await cli(["storage", "convert", directory, "--engine", "rocksdb"]);
    expect({ code, stderr }).toEqual({
      code: 1,
      stderr: `raftkv: ${directory} holds no store of a known engine\n`,
    });
  });

  test("knows the engines", async () => {
    const { code, stderr } = await cli(["storage", "convert", "x", "--engine", "lmdb"]);
    expect(code).toBe(2);
    expect(stderr).toContain("Allowed choices are classic-level, rocksdb");
  });
});

describe("a progress line", () => {
  test("appears after a second, on a terminal only, and is written over", () => {
    const run = (isTTY: boolean): string => {
      let text = "";
      let nowMs = 0;
      const line = new ProgressLine({ isTTY, write: (chunk) => (text += String(chunk)) }, "copied", () => nowMs);
      for (; nowMs <= 1300; nowMs += 100) line.update(nowMs * 2 ** 20, 2600 * 2 ** 20);
      line.end();
      return text;
    };
    expect(run(false)).toBe("");
    expect(run(true).split("\r\u001b[K")).toEqual([
      "",
      "copied: 1000.0 MiB of 2600.0 MiB (38 %), 1048.6 MB/s",
      "copied: 1200.0 MiB of 2600.0 MiB (46 %), 1048.6 MB/s\n",
    ]);
  });
});
