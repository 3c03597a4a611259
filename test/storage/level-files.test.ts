import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openClassicLevelEngine } from "../../src/storage/classic-level-engine.ts";
import { generationRange, stateKey } from "../../src/storage/row-keys.ts";
import { filledDirectory, writeAheadLog } from "./engine-files.ts";
import { newDirectory, openIn } from "./store-fixture.ts";

const engineName = "classic-level";

describe("LevelDB files", () => {
  test("a lost end of LevelDB's log is refused, naming what was durable and what is left", async () => {
    const directory = await filledDirectory(engineName);
    const log = await writeAheadLog(directory, engineName);
    const { size } = await stat(log);
    await truncate(log, Math.floor(size / 2));
    await expect(openIn(directory)).rejects.toMatchObject({
      code: "LOG_CORRUPT",
      message: expect.stringMatching(/^\S+: the log was durable to 40, the directory holds only \d+; do not delete/),
    });
  });

  test("a lost log file is refused", async () => {
    const directory = await filledDirectory(engineName);
    await rm(await writeAheadLog(directory, engineName));
    await expect(openIn(directory)).rejects.toMatchObject({ code: "LOG_CORRUPT" });
  });

  test("a lost engine directory is refused: an empty member must not vote again under its old name", async () => {
    const directory = await filledDirectory(engineName);
    await rename(join(directory, "engine-classic-level"), join(directory, "gone"));
    await expect(openIn(directory)).rejects.toMatchObject({ code: "LOG_CORRUPT" });
  });

  test("trap 65: a flipped bit in the middle of LevelDB's log is refused, where LevelDB alone passes over it", async () => {
    const directory = await filledDirectory(engineName);
    const log = await writeAheadLog(directory, engineName);
    const content = await readFile(log);
    for (const part of [0.1, 0.35, 0.6, 0.85]) {
      const bad = Buffer.from(content);
      const at = Math.floor(content.length * part);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      await writeFile(log, bad);
      await expect(openIn(directory)).rejects.toMatchObject({ code: "LOG_CORRUPT" });
    }
    await writeFile(log, content);
    expect((await openIn(directory)).recovered.lastIndex).toBe(40);
  });

  test("the space of a generation that was cleared comes back", async () => {
    const directory = await newDirectory();
    const engine = await openClassicLevelEngine(directory, { writeBufferBytes: 256 * 1024 });
    const size = async (): Promise<number> => {
      // LevelDB removes files of its own accord.
      const sizes = (await readdir(directory)).map((name) =>
        stat(join(directory, name)).then(
          (found) => found.size,
          () => 0,
        ),
      );
      return (await Promise.all(sizes)).reduce((sum, each) => sum + each, 0);
    };
    for (const generation of [1, 2]) {
      for (let at = 0; at < 40; at += 1) {
        const changes = Array.from({ length: 100 }, (_, i) => {
          const key = stateKey(generation, Buffer.from(`${(at * 7919) % 40} ${i}`));
          return { type: "put" as const, key, value: randomBytes(1000) };
        });
        await engine.write(changes);
      }
    }
    expect(await size()).toBeGreaterThan(8_000_000);
    await engine.clear(generationRange(1), { reclaim: true });
    await expect.poll(size).toBeLessThan(6_000_000);
    await engine.close();
  });
});
