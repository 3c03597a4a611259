import type * as FileSystem from "node:fs/promises";
import { cp, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { convertStore } from "../../src/storage/convert-store.ts";
import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";
import { batch, commands, contentOf, newDirectory, openIn } from "./store-fixture.ts";

/** What a removal does instead of removing; nothing where it is to do that. */
const removal = vi.hoisted(() => ({ cutShort: undefined as ((path: string) => Promise<void>) | undefined }));

vi.mock("node:fs/promises", async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>();
  const rm: typeof original.rm = (path, options) =>
    removal.cutShort === undefined || options?.force === true
      ? original.rm(path, options)
      : removal.cutShort(String(path));
  return { ...original, rm };
});

const [classicLevel, rocksdb]: readonly [EngineName, EngineName] = ["classic-level", "rocksdb"];

async function filled(engineName: EngineName): Promise<string> {
  const directory = await newDirectory();
  const store = await openIn(directory, { engineName });
  const entries = commands(1, 300, 3);
  await store.write(batch({ hardState: { term: 3, votedFor: null, commitIndex: 0 }, entries }));
  const stateChanges = entries.map(({ index, command }) => ({
    type: "put" as const,
    key: Buffer.from(`key ${index}`),
    value: command,
  }));
  await store.write(
    batch({ hardState: { term: 3, votedFor: "00000000000000a2", commitIndex: 300 }, stateChanges, appliedIndex: 300 }),
  );
  await store.close();
  return directory;
}

async function storedIn(directory: string, engineName: EngineName) {
  const store = await openIn(directory, { engineName });
  const content = await contentOf(store, 300);
  const { recovered } = store;
  await store.close();
  return { recovered, content };
}

describe("a conversion", () => {
  test.each([
    [classicLevel, rocksdb],
    [rocksdb, classicLevel],
  ])("moves a store from %s to %s, whole, and leaves nothing behind", { timeout: 60_000 }, async (from, to) => {
    const directory = await filled(from);
    const before = await storedIn(directory, from);
    const seen: number[] = [];
    const { bytes, rows } = await convertStore(directory, to, { onProgress: (done) => seen.push(done) });
    expect(seen.at(-1)).toBe(bytes);
    expect(rows).toBeGreaterThan(600);
    expect((await readdir(directory)).sort()).toEqual(["durable-watermark", `engine-${to}`]);
    expect(await storedIn(directory, to)).toEqual(before);
    await expect(openIn(directory, { engineName: from })).rejects.toMatchObject({ code: "DIRECTORY_MISMATCH" });
  });

  test("cut short while it copies leaves the store as it was", { timeout: 60_000 }, async () => {
    const directory = await filled(classicLevel);
    await mkdir(join(directory, "engine-rocksdb.unfinished"));
    await writeFile(join(directory, "engine-rocksdb.unfinished", "CURRENT"), "rubbish");
    const before = await storedIn(directory, classicLevel);
    await convertStore(directory, rocksdb);
    expect(await storedIn(directory, rocksdb)).toEqual(before);
  });

  test("cut short before the old files were removed is refused at a start and ended by another run", {
    timeout: 60_000,
  }, async () => {
    const directory = await filled(classicLevel);
    const old = join(directory, "engine-classic-level");
    await cp(old, `${directory}-kept`, { recursive: true });
    const before = await storedIn(directory, classicLevel);
    await convertStore(directory, rocksdb);
    await cp(`${directory}-kept`, old, { recursive: true });
    for (const engineName of [classicLevel, rocksdb]) {
      await expect(openIn(directory, { engineName })).rejects.toThrow("a conversion was cut short, run it again");
    }
    expect(await convertStore(directory, rocksdb)).toEqual({ from: classicLevel, rows: 0, bytes: 0 });
    expect(await storedIn(directory, rocksdb)).toEqual(before);
  });

  test.each(engineNames)(
    "cut short while the old files are removed loses nothing, also when %s is asked for then",
    {
      timeout: 60_000,
    },
    async (next) => {
      const directory = await filled(classicLevel);
      const before = await storedIn(directory, classicLevel);
      removal.cutShort = async (path) => {
        await rm(join(path, "CURRENT"), { force: true });
        throw new Error("the power is cut");
      };
      await expect(convertStore(directory, rocksdb)).rejects.toThrow("the power is cut");
      removal.cutShort = undefined;
      if (next === rocksdb)
        await expect(convertStore(directory, next)).rejects.toThrow("has storage engine rocksdb already");
      else await convertStore(directory, next);
      expect((await readdir(directory)).sort()).toEqual(["durable-watermark", `engine-${next}`]);
      expect(await storedIn(directory, next)).toEqual(before);
    },
  );

  test("is refused where there is nothing to convert, and while a member runs", async () => {
    const empty = await newDirectory();
    await expect(convertStore(empty, rocksdb)).rejects.toThrow(`${empty} holds no store of a known engine`);
    const directory = await newDirectory();
    const store = await openIn(directory);
    await expect(convertStore(directory, rocksdb)).rejects.toMatchObject({ code: "DIRECTORY_LOCKED" });
    await store.close();
    await expect(convertStore(directory, classicLevel)).rejects.toThrow("has storage engine classic-level already");
  });
});
