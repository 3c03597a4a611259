import { appendFile, mkdir, readdir, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkStore } from "../../src/storage/check-store.ts";
import { convertStore } from "../../src/storage/convert-store.ts";
import { openDirectoryHome } from "../../src/storage/directory-home.ts";
import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";
import type { EngineFile } from "../../src/storage/engine-home.ts";
import { settleEngines } from "../../src/storage/settle-engines.ts";
import { filledDirectory } from "./engine-files.ts";
import { contentOfFiles, homeWith, namesIn, numbersIn, opened, row, sendFiles, source } from "./home-fixture.ts";
import { openIn } from "./store-fixture.ts";

const upTo = (last: number): number[] => Array.from({ length: last }, (_, at) => at + 1);

/** What a member that starts again finds on its way. */
async function restarted(directory: string, engineName: EngineName) {
  await settleEngines(directory);
  return (await openDirectoryHome(directory, engineName)).incoming;
}

async function filesOf(engineName: EngineName, last = 100) {
  const { engine, home, directory } = await homeWith(engineName, last);
  const files = await home.files();
  await engine.close();
  const content = await contentOfFiles(files);
  await files.close();
  return { files: files.files, content, path: join(directory, `engine-${engineName}`) };
}

describe.each(engineNames)("the home of %s in a directory", (engineName) => {
  const engineOf = (directory: string): string => join(directory, `engine-${engineName}`);

  test("gives files that open as the engine with every row that was written before", async () => {
    const from = await homeWith(engineName, 100);
    const to = await homeWith(engineName, 0);
    const files = await from.home.files();
    await from.engine.write([row(101)]);
    const incoming = await sendFiles(files, to.home);
    await files.close();
    expect(incoming.bytes).toBe(incoming.totalBytes);
    const engine = await incoming.open();
    expect((await numbersIn(engine)).slice(0, 100)).toEqual(upTo(100));
    await engine.close();
  });

  test("works on in the files that were adopted, and finds them at the next start under the engine's name", async () => {
    const from = await homeWith(engineName, 100);
    const to = await homeWith(engineName, 5);
    const files = await from.home.files();
    const incoming = await sendFiles(files, to.home);
    await files.close();
    const engine = await incoming.open();
    await engine.write([row(200)]);
    await incoming.adopt();
    await to.engine.close();
    await engine.write([row(201)]);
    await to.home.removeFormer();
    await engine.write([row(202)]);
    expect(await namesIn(to.directory)).toEqual([`engine-${engineName}.1`]);
    await engine.close();
    await settleEngines(to.directory);
    expect(await namesIn(to.directory)).toEqual([`engine-${engineName}`]);
    const again = await opened(engineName, engineOf(to.directory));
    expect((await numbersIn(again)).slice(100)).toEqual([200, 201, 202]);
    const names = await readdir(engineOf(to.directory));
    expect(names.filter((name) => ["incoming", "received", "adopted"].includes(name))).toEqual([]);
  });

  test("takes several engines one after the other, gives the files of the last, and removes all before it", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine: original, home } = await homeWith(engineName, 5);
    let last = original;
    for (const mark of [201, 202, 203]) {
      const incoming = await home.receive(source, files);
      await incoming.append(content);
      const next = await incoming.open();
      await next.write([row(mark)]);
      await incoming.adopt();
      await last.close();
      last = next;
      // Also when nobody removes the one before for a while.
      if (mark === 202) await home.removeFormer();
    }
    const given = await home.files();
    const other = await homeWith(engineName, 0);
    const copy = await (await sendFiles(given, other.home)).open();
    await given.close();
    expect((await numbersIn(copy)).slice(100)).toEqual([203]);
    await copy.close();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}.2`, `engine-${engineName}.3`]);
    await home.removeFormer();
    await home.removeFormer();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}.3`]);
    await last.close();
  });

  test("goes on where it was after a restart, within a file, too, in whatever pieces the bytes come", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine, home } = await homeWith(engineName, 0);
    await engine.close();
    const withEmpty: EngineFile[] = [{ name: "999998.log", size: 0 }, ...files, { name: "999999.log", size: 0 }];
    let incoming = await home.receive(source, withEmpty);
    expect(incoming).toMatchObject({ source, files: withEmpty, bytes: 0, totalBytes: content.length });
    let resumed = 0;
    for (let piece = 1; incoming.bytes < content.length; piece = (piece * 2) % 1000) {
      await incoming.append(content.subarray(incoming.bytes, incoming.bytes + piece));
      if (piece !== 512) continue;
      const { bytes } = incoming;
      const again = await restarted(directory, engineName);
      expect(again).toMatchObject({ source, files: withEmpty, totalBytes: content.length });
      expect(again?.bytes).toBe(bytes);
      if (again !== undefined) incoming = again;
      resumed += 1;
      if (resumed === 3) await incoming.append(content.subarray(incoming.bytes));
    }
    expect((await readdir(`${engineOf(directory)}.1`)).filter((name) => name.endsWith(".part"))).toEqual([]);
    const received = await incoming.open();
    expect(await numbersIn(received)).toEqual(upTo(100));
    await received.close();
  });

  test("takes what a crash has left behind the durable bytes of a file for nothing", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine, home } = await homeWith(engineName, 0);
    await engine.close();
    const incoming = await home.receive(source, files);
    await incoming.append(content.subarray(0, 10));
    const place = `${engineOf(directory)}.1`;
    const part = (await readdir(place)).find((name) => name.endsWith(".10.part")) ?? expect.fail("no such file");
    await appendFile(`${place}/${part}`, "torn");
    const again = (await restarted(directory, engineName)) ?? expect.fail("nothing is on its way");
    expect(again.bytes).toBe(10);
    await again.append(content.subarray(10));
    const received = await again.open();
    expect(await numbersIn(received)).toEqual(upTo(100));
    await received.close();
  });

  test("does not count a file that is shorter than it was to be as whole", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine, home } = await homeWith(engineName, 0);
    await engine.close();
    const incoming = await home.receive(source, files);
    await incoming.append(content.subarray(0, -1));
    await truncate(join(`${engineOf(directory)}.1`, files[0]?.name ?? ""), 1);
    expect((await restarted(directory, engineName))?.bytes).toBe(0);
  });

  test("opens after a restart what was opened before, whatever the engine has done to its files since", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine, home } = await homeWith(engineName, 0);
    await engine.close();
    const incoming = await home.receive(source, files);
    await incoming.append(content);
    const first = await incoming.open();
    await first.write([row(300)]);
    await first.close();
    const names = await readdir(`${engineOf(directory)}.1`);
    expect(files.every(({ name }) => names.includes(name))).toBe(false);
    const again = await restarted(directory, engineName);
    expect(again?.bytes).toBe(content.length);
    const second = await again?.open();
    expect(second && (await numbersIn(second))).toEqual([...upTo(100), 300]);
    await second?.close();
  });

  test("removes what is given up, and takes others then", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine, home } = await homeWith(engineName, 5);
    const given = await home.receive(source, files);
    await given.append(content.subarray(0, 100));
    await given.remove();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
    await expect(given.append(content.subarray(100))).rejects.toMatchObject({ code: "STORE_CLOSED" });
    const other = await home.receive(source, files);
    await other.append(content);
    await (await other.open()).close();
    await other.remove();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
    await engine.close();
    expect(await restarted(directory, engineName)).toBeUndefined();
  });

  test("refuses everything but a removal once bytes could not be written", async () => {
    const { files, content } = await filesOf(engineName);
    const { directory, engine, home } = await homeWith(engineName, 0);
    await engine.close();
    const incoming = await home.receive(source, files);
    await rename(`${engineOf(directory)}.1`, join(directory, "elsewhere"));
    await expect(incoming.append(content)).rejects.toMatchObject({ code: "WRITE_FAILED" });
    await rename(join(directory, "elsewhere"), `${engineOf(directory)}.1`);
    await expect(incoming.append(content)).rejects.toMatchObject({ code: "WRITE_FAILED" });
    await incoming.remove();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
  });

  test("keeps the newest of what is on its way, and nothing whose description is damaged", async () => {
    const { files } = await filesOf(engineName);
    const { directory, engine } = await homeWith(engineName, 0);
    await engine.close();
    for (const number of [1, 2, 3]) {
      const home = await openDirectoryHome(directory, engineName);
      await home.receive({ ...source, snapshotId: `snapshot ${number}` }, files);
      // Out of sight of the next home, which takes one at a time.
      await rename(`${engineOf(directory)}.1`, join(directory, String(number)));
    }
    for (const number of [1, 2, 3]) await rename(join(directory, String(number)), `${engineOf(directory)}.${number}`);
    await appendFile(join(`${engineOf(directory)}.3`, "incoming"), "x");
    await mkdir(`${engineOf(directory)}.4`);
    expect((await restarted(directory, engineName))?.source.snapshotId).toBe("snapshot 2");
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`, `engine-${engineName}.2`]);
  });

  test("reads the files put end to end in any pieces, and nothing behind them", async () => {
    const { home, directory } = await homeWith(engineName, 100);
    const files = await home.files();
    const whole = Buffer.concat(
      await Promise.all(
        files.files.map(async ({ name, size }) => (await readFile(join(engineOf(directory), name))).subarray(0, size)),
      ),
    );
    expect(files.totalBytes).toBe(whole.length);
    for (const piece of [7, 1000, whole.length, whole.length + 1]) {
      expect(whole.equals(await contentOfFiles(files, piece))).toBe(true);
    }
    expect(await files.read(files.totalBytes, 10)).toHaveLength(0);
    expect(await files.read(files.totalBytes + 10, 10)).toHaveLength(0);
    await files.close();
  });

  test("puts tables first and CURRENT last, and gives no file that the engine does not need", async () => {
    const { directory, engine, home } = await homeWith(engineName, 100);
    await engine.close();
    const again = await opened(engineName, engineOf(directory));
    await again.write([row(200)]);
    if (engineName === "classic-level") await writeFile(join(engineOf(directory), "999999.ldb"), "left by a crash");
    const files = await home.files();
    const names = files.files.map(({ name }) => name.replaceAll(/\d+/g, "N"));
    await files.close();
    const kinds = ["N.ldb", "N.sst", "N.log", "MANIFEST-N", "CURRENT"];
    expect(names).toEqual(names.toSorted((a, b) => kinds.indexOf(a) - kinds.indexOf(b)));
    expect(new Set(names).size).toBe(4);
    expect(files.files.map(({ name }) => name)).not.toContain("999999.ldb");
  });

  test("holds files that the engine removes, and lets go of them, also under reads", async () => {
    const { directory, engine, home } = await homeWith(engineName, 100);
    const files = await home.files();
    await engine.close();
    const before = await contentOfFiles(files);
    await rm(engineOf(directory), { recursive: true });
    expect(Buffer.compare(before, await contentOfFiles(files))).toBe(0);
    const reads = Array.from({ length: 20 }, (_, at) => files.read(at, files.totalBytes));
    const closing = files.close();
    for (const result of await Promise.allSettled(reads)) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "STORE_CLOSED" });
      else expect(result.value.length).toBeGreaterThan(0);
    }
    await closing;
    await files.close();
    await expect(files.read(0, 1)).rejects.toMatchObject({ code: "STORE_CLOSED" });
  });

  test("is not taken for an engine before it is adopted: a lost engine is refused as ever", async () => {
    const directory = await filledDirectory(engineName);
    const { files, content } = await filesOf(engineName);
    const incoming = await (await openDirectoryHome(directory, engineName)).receive(source, files);
    await incoming.append(content);
    await (await incoming.open()).close();
    await rename(engineOf(directory), join(directory, "gone"));
    await expect(checkStore(directory)).rejects.toMatchObject({ code: "DIRECTORY_MISMATCH" });
    await expect(openIn(directory, { engineName })).rejects.toMatchObject({ code: "LOG_CORRUPT" });
  });

  test("is found by tools on a stopped member, of which a conversion drops what is on its way", async () => {
    const other = engineNames.find((each) => each !== engineName) ?? engineName;
    const directory = await filledDirectory(engineName);
    const path = engineOf(directory);
    const home = await openDirectoryHome(directory, engineName);
    const engine = await opened(engineName, path);
    const files = await home.files();
    const incoming = await sendFiles(files, home);
    await files.close();
    await engine.close();
    await (await incoming.open()).close();
    await incoming.adopt();
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`, `engine-${engineName}.1`]);
    const { store, damages } = await checkStore(directory);
    expect([store?.recovered.lastIndex, damages]).toEqual([40, []]);
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
    await (await openDirectoryHome(directory, engineName)).receive(source, incoming.files);
    await checkStore(directory);
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`, `engine-${engineName}.1`]);
    await convertStore(directory, other);
    expect(await namesIn(directory)).toEqual([`engine-${other}`]);
    expect((await openIn(directory, { engineName: other })).recovered.lastIndex).toBe(40);
  });
});

describe("files that another member announces", () => {
  const good: readonly EngineFile[] = [
    { name: "CURRENT", size: 16 },
    { name: "MANIFEST-000004", size: 100 },
    { name: "000005.ldb", size: 1000 },
    { name: "000006.sst", size: 1000 },
    { name: "000007.log", size: 0 },
  ];

  test.each<[string, readonly EngineFile[]]>([
    ["a path upwards", [...good, { name: "../000008.log", size: 1 }]],
    ["an absolute path", [...good, { name: "/etc/000008.log", size: 1 }]],
    ["a directory", [...good, { name: "a/000008.log", size: 1 }]],
    ["a file of raftkv's own", [...good, { name: "adopted", size: 0 }]],
    ["a file that is not whole", [...good, { name: "000008.log.part", size: 1 }]],
    ["the lock", [...good, { name: "LOCK", size: 0 }]],
    ["a name with a line end", [...good, { name: "CURRENT\n", size: 1 }]],
    ["no name", [...good, { name: "", size: 1 }]],
    ["a number without end", [...good, { name: `${"9".repeat(300)}.log`, size: 1 }]],
    ["a name twice", [...good, { name: "000005.ldb", size: 1 }]],
    ["a negative size", [...good, { name: "000008.log", size: -1 }]],
    ["a size that is no whole number", [...good, { name: "000008.log", size: 0.5 }]],
    ["a size that is no number", [...good, { name: "000008.log", size: Number.NaN }]],
    ["a size beyond 2^53", [...good, { name: "000008.log", size: 2 ** 53 }]],
    ["sizes beyond 2^53 together", [...good, { name: "000008.log", size: Number.MAX_SAFE_INTEGER }]],
    ["no CURRENT", good.slice(1)],
    ["no manifest", good.filter(({ name }) => !name.startsWith("MANIFEST"))],
    ["nothing", []],
    ["far too many", [...good, ...Array.from({ length: 100_000 }, (_, at) => ({ name: `${at}.log`, size: 0 }))]],
  ])("are refused with %s", async (_what, files) => {
    const { directory, home } = await homeWith("classic-level", 0);
    await expect(home.receive(source, files)).rejects.toMatchObject({ code: "STATE_CORRUPT" });
    expect(await namesIn(directory)).toEqual(["engine-classic-level"]);
    // Others can come then.
    await home.receive(source, good);
  });
});
