import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { engineNames } from "../../src/storage/engine-directory.ts";
import { settleEngines } from "../../src/storage/settle-engines.ts";
import { homeWith, namesIn, numbersIn, opened, row, sendFiles } from "./home-fixture.ts";

describe.each(engineNames)("the home of %s in a directory", (engineName) => {
  test("gives files that open as the engine with every row that was written before", async () => {
    const from = await homeWith(engineName, 100);
    const to = await homeWith(engineName, 0);
    const files = await from.home.files();
    await from.engine.write([row(101)]);
    const incoming = await sendFiles(files, to.home);
    await files.close();
    expect(incoming.bytes).toBe(incoming.totalBytes);
    const engine = await incoming.open();
    expect((await numbersIn(engine)).slice(0, 100)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1));
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
    const again = await opened(engineName, join(to.directory, `engine-${engineName}`));
    expect((await numbersIn(again)).slice(100)).toEqual([200, 201, 202]);
    const names = await readdir(join(to.directory, `engine-${engineName}`));
    expect(names.filter((name) => ["incoming", "received", "adopted"].includes(name))).toEqual([]);
  });
});
