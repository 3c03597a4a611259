import { cp, readdir, stat, truncate } from "node:fs/promises";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { expect, test } from "vitest";
import { openClassicLevelEngine } from "../../src/storage/classic-level-engine.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { openRocksdbEngine } from "../../src/storage/open-rocksdb-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { type Content, contentOf, nothing } from "./crash-model.ts";
import { contents, outcomes, peers, plain, scenario } from "./crash-scenario.ts";
import { newDirectory, openOver } from "./store-fixture.ts";

type Open = (directory: string) => Promise<StorageEngine>;

/** The engine's own log; there is one as long as it is small and the engine stays open. */
async function logOf(directory: string): Promise<string> {
  const names = await readdir(directory);
  return join(directory, names.find((name) => name.endsWith(".log")) ?? "");
}

/** Runs the scenario; gives the lengths of the engine's log after each step, and after each write. */
async function runScenario(directory: string, openEngine: Open): Promise<{ steps: number[]; writes: number[] }> {
  const inner = await openEngine(directory);
  const path = await logOf(directory);
  const length = async (): Promise<number> => (await stat(path)).size;
  const writes: number[] = [];
  const engine: StorageEngine = {
    name: inner.name,
    async write(changes) {
      await inner.write(changes);
      writes.push(await length());
    },
    get: (key) => inner.get(key),
    iterate: (range, options) => inner.iterate(range, options),
    snapshot: () => inner.snapshot(),
    // Without giving space back, for which LevelDB would begin another log.
    clear: (range) => inner.clear(range),
    close: () => inner.close(),
  };
  const store = await openOver(new MemoryRows(), { engine, truncationStep: 3 });
  const steps = [await length()];
  for (const { parts } of scenario) {
    await Promise.all(parts.map((part) => part.run(store)));
    steps.push(await length());
  }
  await store.close();
  return { steps, writes };
}

/** What is found when the engine's log ends after `length` bytes. */
async function contentAfter(directory: string, length: number, openEngine: Open): Promise<Content> {
  const copy = await newDirectory();
  await cp(directory, copy, { recursive: true });
  await truncate(await logOf(copy), length);
  const store = await openOver(new MemoryRows(), { engine: await openEngine(copy) });
  const content = await contentOf(store, peers);
  await store.close();
  return content;
}

// RocksDB takes long to open: one cut of several has to do.
test.each([
  ["LevelDB", openClassicLevelEngine, 1],
  ["RocksDB", openRocksdbEngine, 12],
] as const)(
  "wherever a power cut ends the log of %s, each batch is there whole or not at all",
  {
    timeout: 120_000,
  },
  async (_, openEngine, every) => {
    const directory = await newDirectory();
    const { steps, writes } = await runScenario(directory, openEngine);
    const made = steps[0] ?? 0;
    const ends = [...new Set(writes)].filter((end) => end > made).sort((a, b) => a - b);
    // At the end of each write, and in the middle of the next.
    const cuts = ends.flatMap((end, at) => [end, end + Math.floor(((ends[at + 1] ?? end) - end) / 2)]);
    // Where writes run side by side, how many cuts of these end a step is chance: some that do are among them in any case.
    const stepEnds = [...new Set(steps)].filter((_, at) => at % Math.ceil(every / 2) === 0);
    const sampled = [...new Set(cuts)].filter((_, at) => at % every === 0);
    let whole = 0;
    for (const cut of new Set([...stepEnds, ...sampled])) {
      // The last step that is whole within the cut.
      const done = steps.findLastIndex((end) => end <= cut);
      const found = plain(await contentAfter(directory, cut, openEngine));
      const { name, parts } = scenario[done] ?? { name: "the end", parts: [] };
      const allowed = outcomes(contents[done] ?? nothing, parts, new Set());
      const match = allowed.some(([content]) => isDeepStrictEqual(plain(content), found));
      if (!match) expect(found, `${cut} bytes, within "${name}"`).toEqual(plain(contents[done]));
      if (isDeepStrictEqual(found, plain(contents[done]))) whole += 1;
    }
    expect(ends.length).toBeGreaterThan(scenario.length);
    expect(whole).toBeGreaterThan(scenario.length / every);
  },
);
