import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { Watermark } from "../../src/storage/watermark.ts";
import { watermarkFileAt } from "../../src/storage/watermark-file.ts";
import type { StartTimer } from "../../src/storage/watermark-keeper.ts";
import {
  batch,
  command,
  commands,
  copyOf,
  MemoryWatermarkFile,
  newDirectory,
  openOver,
  term,
} from "./store-fixture.ts";

const watermark = (writes: number): Watermark => ({
  writes,
  tail: { index: writes * 10, term: writes, checksum: 0xfedcba98 },
  hardStateTerm: writes + 1,
});

/** Timers that run when told. */
function handTimers() {
  const waiting = new Set<() => void>();
  const startTimer: StartTimer = (callback) => {
    waiting.add(callback);
    return () => waiting.delete(callback);
  };
  const run = (): void => {
    const due = [...waiting];
    waiting.clear();
    for (const callback of due) callback();
  };
  return { startTimer, run, waiting };
}

describe("watermark file", () => {
  test("holds what was written last, in two slots that take turns", async () => {
    const path = join(await newDirectory(), "durable-watermark");
    const file = watermarkFileAt(path);
    expect(await file.read()).toBeUndefined();
    for (let writes = 1; writes <= 5; writes += 1) {
      await file.write(watermark(writes));
      expect(await watermarkFileAt(path).read()).toEqual(watermark(writes));
    }
    expect((await stat(path)).size).toBe(4096 + 52);
    await file.close();
    await file.close();
  });

  test("a torn slot leaves the one before it; a flip never reads as something else", async () => {
    const path = join(await newDirectory(), "durable-watermark");
    const file = watermarkFileAt(path);
    for (const writes of [1, 2, 3]) await file.write(watermark(writes));
    await file.close();
    const content = await readFile(path);
    for (let at = 0; at < 52; at += 1) {
      const bad = Buffer.from(content);
      bad[at] = (bad[at] ?? 0) ^ (1 << (at % 8));
      await writeFile(path, bad);
      const damaged = watermarkFileAt(path);
      expect(await damaged.read()).toEqual(watermark(2));
      await damaged.close();
    }
  });

  test("a file of which neither slot can be read is refused, and so is an empty one", async () => {
    const path = join(await newDirectory(), "durable-watermark");
    for (const content of ["", "short", Buffer.alloc(8192)]) {
      await writeFile(path, content);
      const file = watermarkFileAt(path);
      await expect(file.read()).rejects.toMatchObject({ code: "LOG_CORRUPT", message: expect.stringContaining(path) });
      await file.close();
    }
  });

  test("goes on with the older slot after a torn one", async () => {
    const path = join(await newDirectory(), "durable-watermark");
    const first = watermarkFileAt(path);
    for (const writes of [1, 2]) await first.write(watermark(writes));
    await first.close();
    const content = await readFile(path);
    await writeFile(path, content.subarray(0, 4096 + 20));
    const second = watermarkFileAt(path);
    expect(await second.read()).toEqual(watermark(1));
    await second.write(watermark(3));
    await second.close();
    expect(await watermarkFileAt(path).read()).toEqual(watermark(3));
  });
});

describe("watermark keeping", () => {
  test("many writes make one watermark, and close brings it to the end", async () => {
    const watermarkFile = new MemoryWatermarkFile();
    const { startTimer, run, waiting } = handTimers();
    const store = await openOver(new MemoryRows(), { watermarkFile, startTimer });
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    for (let index = 4; index < 50; index += 1) await store.write(batch({ entries: [command(index, 1)] }));
    expect(watermarkFile.written).toHaveLength(1);
    expect(waiting.size).toBe(1);
    run();
    await store.write(batch({ entries: [command(50, 1)] }));
    expect(watermarkFile.written.at(-1)?.tail.index).toBe(49);
    await store.close();
    expect(watermarkFile.written.map(({ tail }) => tail.index)).toEqual([0, 49, 50]);
    expect(waiting.size).toBe(0);
  });

  test("trap 68: the watermark is down before a truncation goes below it", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const { startTimer, run } = handTimers();
    const store = await openOver(rows, { watermarkFile, startTimer });
    await store.write(batch({ hardState: term(1), entries: commands(1, 9, 1) }));
    run();
    await store.write(batch({ hardState: term(2), truncateFrom: 5, entries: [command(5, 2), command(6, 2)] }));
    expect(watermarkFile.written.map(({ tail }) => tail.index)).toEqual([0, 9, 4]);
    // As a crash would leave it: the watermark has not followed yet.
    const crashed = { watermarkFile, startTimer: () => () => {} };
    expect((await openOver(copyOf(rows), crashed)).recovered.lastIndex).toBe(6);
    await store.write(batch({ truncateFrom: 6, entries: [command(6, 2, "again")] }));
    expect(watermarkFile.written.map(({ tail }) => tail.index)).toEqual([0, 9, 4]);
    run();
    await store.close();
    expect(watermarkFile.written.at(-1)).toMatchObject({ tail: { index: 6, term: 2 }, hardStateTerm: 2, writes: 3 });
  });

  test("a truncation waits for a watermark that is on its way up", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const { startTimer, run } = handTimers();
    const store = await openOver(rows, { watermarkFile, startTimer });
    await store.write(batch({ hardState: term(1), entries: commands(1, 9, 1) }));
    const write = watermarkFile.write.bind(watermarkFile);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    watermarkFile.write = (next) => held.then(() => write(next));
    run();
    const before = rows.snapshot().length;
    const truncating = store.write(batch({ truncateFrom: 5 }));
    await new Promise((resolve) => setImmediate(resolve));
    expect(rows.snapshot()).toHaveLength(before);
    release();
    await truncating;
    expect(watermarkFile.written.map(({ tail }) => tail.index)).toEqual([0, 9, 4]);
    expect(rows.snapshot()).toHaveLength(before - 5);
    await store.close();
  });

  test("is not written any more once the store is closed, however the engine's close ends", async () => {
    const { startTimer, run, waiting } = handTimers();
    const watermarkFile = new MemoryWatermarkFile();
    const full = new Error("no space left");
    const engine = { ...openMemoryEngine(new MemoryRows()), close: () => Promise.reject(full) };
    const store = await openOver(new MemoryRows(), { engine, watermarkFile, startTimer });
    await store.write(batch({ hardState: term(1, 0), entries: commands(1, 3, 1) }));
    const before = watermarkFile.written.length;
    expect(waiting.size).toBe(1);
    await expect(store.close()).rejects.toMatchObject({ code: "WRITE_FAILED", cause: full });
    run();
    await new Promise(setImmediate);
    expect([waiting.size, watermarkFile.written.length]).toEqual([0, before]);
  });
});
