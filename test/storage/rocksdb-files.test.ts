import { spawn } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, stat, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openRocksdbEngine } from "../../src/storage/open-rocksdb-engine.ts";
import { openDatabase } from "../../src/storage/rocksdb-open.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { filledDirectory, writeAheadLog } from "./engine-files.ts";
import { newDirectory, openIn } from "./store-fixture.ts";

const engineName = "rocksdb";

describe("RocksDB files", () => {
  test("a lost end of RocksDB's log is refused, naming what was durable and what is left", async () => {
    const directory = await filledDirectory(engineName);
    const log = await writeAheadLog(directory, engineName);
    await truncate(log, Math.floor((await stat(log)).size / 2));
    await expect(openIn(directory, { engineName })).rejects.toMatchObject({
      code: "LOG_CORRUPT",
      message: expect.stringMatching(/^\S+: the log was durable to 40, the directory holds only \d+; do not delete/),
    });
  });

  test("a flipped bit in the middle of RocksDB's log is refused, where RocksDB alone drops what was synced behind it", async () => {
    const directory = await filledDirectory(engineName);
    const log = await writeAheadLog(directory, engineName);
    const content = await readFile(log);
    for (const part of [0.1, 0.35, 0.6, 0.85]) {
      const bad = Buffer.from(content);
      const at = Math.floor(content.length * part);
      bad[at] = (bad[at] ?? 0) ^ 0x10;
      await writeFile(log, bad);
      // Not by the watermark, which may be a tenth of a second old.
      await expect(openRocksdbEngine(join(directory, "engine-rocksdb"))).rejects.toMatchObject({
        code: "LOG_CORRUPT",
        message: expect.stringMatching(/\.log is damaged: change \d+ follows where \d+ is due/),
      });
    }
    await writeFile(log, content);
    expect((await openIn(directory, { engineName })).recovered.lastIndex).toBe(40);
  });

  test("damage that RocksDB comes upon while it merges tables, in what nobody reads too, ends the writes as damage", async () => {
    const directory = await newDirectory();
    const row = (at: number, fill: number) =>
      ({ type: "put", key: Uint8Array.of(2, at), value: new Uint8Array(50_000).fill(fill) }) as const;
    for (let fill = 1; fill <= 3; fill++) {
      const engine = await openRocksdbEngine(directory);
      await engine.write(Array.from({ length: 20 }, (_, at) => row(at, fill)));
      await engine.close();
    }
    const tables = (await readdir(directory)).filter((name) => name.endsWith(".sst")).sort();
    const oldest = join(directory, tables[0] ?? "");
    const content = await readFile(oldest);
    for (let at = 100; at < content.length / 2; at += 1000) content[at] = (content[at] ?? 0) ^ 1;
    await writeFile(oldest, content);
    const error = await (async () => {
      for (let fill = 4; ; fill++) {
        const engine = await openRocksdbEngine(directory);
        try {
          for (let again = 0; again < 20; again++) {
            await engine.write([row(again, fill)]);
            await new Promise((resolve) => setTimeout(resolve, 5));
          }
        } catch (failure) {
          return failure;
        } finally {
          await engine.close();
        }
        if (fill > 12) return "nothing was merged";
      }
    })();
    expect(error).toMatchObject({
      code: "STATE_CORRUPT",
      message: expect.stringMatching(/RocksDB finds its files damaged \(Corruption: .*replace the member$/),
    });
  });

  test("a second open in the same process is refused, and takes nothing from the first", async () => {
    const directory = await newDirectory();
    const engine = await openRocksdbEngine(directory);
    await expect(openRocksdbEngine(directory)).rejects.toMatchObject({ code: "DIRECTORY_UNUSABLE" });
    await engine.write([{ type: "put", key: Uint8Array.of(3, 1), value: Uint8Array.of(7) }]);
    await expect(openRocksdbEngine(directory)).rejects.toMatchObject({ code: "DIRECTORY_UNUSABLE" });
    expect(Buffer.from(engine.get(Uint8Array.of(3, 1)) ?? [])).toEqual(Buffer.of(7));
    await engine.close();
    await (await openRocksdbEngine(directory)).close();
  });
});

describe("a directory of an earlier version, with rows in the family default", () => {
  const golden = join(import.meta.dirname, "golden/rocksdb-compacted/engine-rocksdb");
  const earlierRows = async (directory: string): Promise<Row[]> => {
    const { database, earlierColumn } = await openDatabase(directory);
    const iterator = database.iterator({ column: earlierColumn });
    const rows = await iterator.nextv(100);
    await iterator.close();
    await database.close();
    return rows;
  };

  test("has them with the log once it was opened, and its write-ahead log is not kept for them", async () => {
    const directory = join(await newDirectory(), "engine");
    await cp(golden, directory, { recursive: true });
    const earlier = await earlierRows(directory);
    expect(earlier.length).toBeGreaterThan(3);
    for (let again = 0; again < 2; again += 1) {
      const engine = await openRocksdbEngine(directory);
      for (const [key, value] of earlier) expect(Buffer.from(engine.get(key) ?? [])).toEqual(value);
      await engine.close();
      const logs = (await readdir(directory)).filter((name) => name.endsWith(".log"));
      for (const name of logs) expect((await stat(join(directory, name))).size).toBe(0);
    }
    expect(await earlierRows(directory)).toEqual([]);
  });
});

const engineModule = join(import.meta.dirname, "../../src/storage/open-rocksdb-engine.ts");

/** Runs a script in a process of its own; tells how it ended. */
async function runScript(directory: string, script: string): Promise<{ code: number | null; signal: string | null }> {
  const file = join(await newDirectory(), "script.mjs");
  await writeFile(
    file,
    `import { openRocksdbEngine } from ${JSON.stringify(engineModule)};
    const engine = await openRocksdbEngine(${JSON.stringify(directory)});
    const row = (at) => ({ type: "put", key: Uint8Array.of(3, at >> 8, at & 255), value: new Uint8Array(20000).fill(at) });
    ${script}`,
  );
  const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning"];
  const child = spawn(process.execPath, [...flags, file], { stdio: "inherit", timeout: 20_000 });
  const [code, signal] = await once(child, "close");
  return { code, signal };
}

describe("a process with RocksDB", { timeout: 60_000 }, () => {
  test("that exits while its thread writes ends with its own code, and leaves whole batches in order", async () => {
    const directory = await newDirectory();
    const script = `
      for (let at = 0; at < 500; at++) engine.write([row(at), row(at + 1000)]).catch(() => {});
      setTimeout(() => process.exit(7), Number(process.hrtime.bigint() % 20n));
    `;
    for (let again = 0; again < 3; again += 1) {
      expect(await runScript(directory, script)).toEqual({ code: 7, signal: null });
      const engine = await openRocksdbEngine(directory);
      const keys: number[] = [];
      for await (const page of engine.iterate({ start: Uint8Array.of(3), end: Uint8Array.of(4) })) {
        keys.push(...page.map(([key]) => (key[1] ?? 0) * 256 + (key[2] ?? 0)));
      }
      const first = keys.filter((key) => key < 1000);
      expect(first).toEqual(Array.from(first, (_, at) => at));
      expect(keys.filter((key) => key >= 1000)).toEqual(first.map((key) => key + 1000));
      await engine.clear({ start: Uint8Array.of(3), end: Uint8Array.of(4) });
      await engine.close();
    }
  });

  test("that forgets to close ends all the same once its writes are done", async () => {
    const directory = await newDirectory();
    expect(await runScript(directory, "engine.write([row(1)]);")).toEqual({ code: 0, signal: null });
    const engine = await openRocksdbEngine(directory);
    expect(engine.get(Uint8Array.of(3, 0, 1))).toHaveLength(20_000);
    await engine.close();
  });
});
