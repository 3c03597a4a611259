import { existsSync, readdirSync, readlinkSync } from "node:fs";
import type * as FileSystem from "node:fs/promises";
import { appendFile, readFile, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";
import { generationRange } from "../../src/storage/row-keys.ts";
import { contentOfFiles, homeWith, numbersIn, rowsFrom, sendFiles } from "./home-fixture.ts";

/** What happens when a directory is read, or a file opened or measured. */
const during = vi.hoisted(() => ({
  readdir: async (names: string[]): Promise<string[]> => names,
  open: (_path: string): void => {},
  stat: (_path: string): void => {},
  afterRead: (): void => {},
}));

vi.mock("node:fs/promises", async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>();
  const open: typeof original.open = async (path, ...rest) => {
    during.open(String(path));
    const handle = await original.open(path, ...rest);
    const stat = handle.stat.bind(handle);
    const measured: typeof handle.stat = async (...options: unknown[]) => {
      during.stat(String(path));
      return Reflect.apply(stat, handle, options);
    };
    handle.stat = measured;
    const read = handle.read.bind(handle);
    const readThen: typeof handle.read = async (...options: unknown[]) => {
      const result = await Reflect.apply(read, handle, options);
      during.afterRead();
      return result;
    };
    handle.read = readThen;
    return handle;
  };
  const readdir = async (path: string) => {
    const names = await original.readdir(path);
    return path.startsWith("/proc/") ? names : during.readdir(names);
  };
  return { ...original, open, readdir };
});

const unchanged = { ...during };

beforeEach(() => {
  Object.assign(during, unchanged);
});

/** Files of a directory that this process has open, where the system tells. */
function openIn(directory: string): string[] {
  const descriptors = "/proc/self/fd";
  if (!existsSync(descriptors)) return [];
  const paths = readdirSync(descriptors).map((name) => {
    try {
      return readlinkSync(join(descriptors, name));
    } catch {
      // The descriptor with which they were listed is gone.
      return "";
    }
  });
  return paths.filter((path) => path.startsWith(directory));
}

async function closedHome(engineName: EngineName) {
  const { directory, engine, home } = await homeWith(engineName, 10);
  await engine.close();
  const path = join(directory, `engine-${engineName}`);
  const manifest = join(path, (await readFile(join(path, "CURRENT"), "utf8")).trim());
  return { home, path, manifest };
}

describe.each(engineNames)("files of %s that are held", (engineName) => {
  test("have all that was written before, in order, whatever the engine does then", { timeout: 60_000 }, async () => {
    const { directory, engine, home } = await homeWith(engineName, 0);
    const path = join(directory, `engine-${engineName}`);
    const value = Buffer.alloc(10_000, "v");
    let durable = 0;
    let ended = false;
    const writing = (async () => {
      while (!ended) {
        await engine.write(rowsFrom(durable + 1, durable + 100, value));
        durable += 100;
      }
    })();
    const held = [];
    for (let next = 1_000; next <= 8_000; next += 1_750) {
      await vi.waitUntil(() => durable >= next, { timeout: 30_000, interval: 1 });
      const before = durable;
      held.push({ before, files: await home.files() });
    }
    ended = true;
    await writing;
    // Tables are made of all of it, and the logs go.
    await engine.clear(generationRange(0), { reclaim: true });
    await engine.close();
    expect(openIn(path).length > 0).toBe(existsSync("/proc/self/fd"));
    for (const { before, files } of held) {
      const to = await homeWith(engineName, 0);
      const incoming = await sendFiles(files, to.home);
      await files.close();
      const copy = await incoming.open();
      const numbers = await numbersIn(copy);
      await copy.close();
      await incoming.remove();
      expect(numbers.length).toBeGreaterThanOrEqual(before);
      expect(numbers.at(-1)).toBe(numbers.length);
    }
    expect(openIn(path)).toEqual([]);
  });

  test("are looked at again when the manifest grows meanwhile, until it does not", async () => {
    const { home, path, manifest } = await closedHome(engineName);
    let looks = 0;
    during.readdir = async (names) => {
      looks += 1;
      if (looks < 4) await appendFile(manifest, "x");
      return names;
    };
    const files = await home.files();
    expect(looks).toBe(4);
    const content = Buffer.from(await contentOfFiles(files));
    const current = await readFile(join(path, "CURRENT"));
    expect(content.subarray(-current.length - 3).equals(Buffer.concat([Buffer.from("xxx"), current]))).toBe(true);
    await files.close();
    expect(openIn(path)).toEqual([]);
  });

  test("are refused when the manifest grows all the time, and nothing stays open", async () => {
    const { home, path, manifest } = await closedHome(engineName);
    during.readdir = async (names) => {
      await appendFile(manifest, "x");
      return names;
    };
    await expect(home.files()).rejects.toMatchObject({
      code: "DIRECTORY_UNUSABLE",
      message: `${path} has changed its files 20 times, as often as it was looked at`,
    });
    expect(openIn(path)).toEqual([]);
  });

  test("are those of the manifest that CURRENT names in the end", async () => {
    const { home, path, manifest } = await closedHome(engineName);
    let looks = 0;
    during.readdir = async (names) => {
      looks += 1;
      if (looks > 1) return names;
      await writeFile(join(path, "MANIFEST-777777"), await readFile(manifest));
      await writeFile(join(path, "CURRENT"), "MANIFEST-777777\n");
      return names;
    };
    const files = await home.files();
    const manifests = files.files.flatMap(({ name }) => (name.startsWith("MANIFEST") ? [name] : []));
    expect(manifests).toEqual(["MANIFEST-777777"]);
    expect(openIn(path)).not.toContain(manifest);
    await files.close();
  });

  test("are without those that are gone when they are to be opened, as the manifest does not count on them", async () => {
    const { home } = await closedHome(engineName);
    during.readdir = async (names) => [...names, "000001.log", "000002.sst"];
    const files = await home.files();
    const names = files.files.map(({ name }) => name);
    expect(names).not.toContain("000001.log");
    expect(names).not.toContain("000002.sst");
    await files.close();
  });

  test("are measured before anything is written on: the newest log first, and the tables after the logs", async () => {
    const { home, path } = await closedHome(engineName);
    for (const name of ["9000001.log", "9000002.log", "10000000.log"]) await writeFile(join(path, name), "");
    const measured: string[] = [];
    during.stat = (each) => measured.push(basename(each));
    const files = await home.files();
    await files.close();
    const logs = measured.filter((name) => name.endsWith(".log"));
    expect(logs.slice(0, 3)).toEqual(["10000000.log", "9000002.log", "9000001.log"]);
    expect(measured.at(0)).toMatch(/^MANIFEST/);
    expect(measured.at(-1)).toBe(measured.at(0));
  });

  test("are let go of when one cannot be opened", async () => {
    const { home, path } = await closedHome(engineName);
    during.open = (each) => {
      if (each.endsWith(".log")) throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
    };
    await expect(home.files()).rejects.toMatchObject({
      code: "DIRECTORY_UNUSABLE",
      message: `${path} has files that cannot be opened (EMFILE: too many open files)`,
    });
    expect(openIn(path)).toEqual([]);
  });

  test("are not read on when they are let go of within a read", async () => {
    const { home, path } = await closedHome(engineName);
    const files = await home.files();
    const closings: Promise<void>[] = [];
    during.afterRead = () => closings.push(files.close());
    await expect(files.read(0, files.totalBytes)).rejects.toMatchObject({ code: "STORE_CLOSED" });
    await Promise.all(closings);
    expect(closings).toHaveLength(1);
    expect(openIn(path)).toEqual([]);
  });

  test("are refused where CURRENT names no manifest", async () => {
    const { home, path } = await closedHome(engineName);
    await writeFile(join(path, "CURRENT"), "rubbish");
    await expect(home.files()).rejects.toMatchObject({ code: "STATE_CORRUPT" });
    expect(openIn(path)).toEqual([]);
  });
});
