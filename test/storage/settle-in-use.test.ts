import { execFile } from "node:child_process";
import { mkdir, readdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { engineNames } from "../../src/storage/engine-directory.ts";
import { settleEngines } from "../../src/storage/settle-engines.ts";
import { homeWith, namesIn, numbersIn, opened, row, sendFiles } from "./home-fixture.ts";

const settle = new URL("../../src/storage/settle-engines.ts", import.meta.url).href;

/** What settling comes to in another process, which stands for one in another container: the lock of the directory does not keep it out. */
async function settledElsewhere(directory: string): Promise<string> {
  const script = `
    const { settleEngines } = await import(${JSON.stringify(settle)});
    console.log(await settleEngines(${JSON.stringify(directory)}).then(() => "settled", ({ code }) => code));
  `;
  const flags = ["--experimental-transform-types", "--disable-warning=ExperimentalWarning", "--input-type=module"];
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, "-e", script]);
  return stdout.trim();
}

describe.each(engineNames)("a directory whose engine is %s", (engineName) => {
  test("is left alone while another process works in files that it adopted", { timeout: 30_000 }, async () => {
    const from = await homeWith(engineName, 100);
    const to = await homeWith(engineName, 5);
    const files = await from.home.files();
    const incoming = await sendFiles(files, to.home);
    await files.close();
    const engine = await incoming.open();
    await incoming.adopt();
    await to.engine.close();
    const before = await namesIn(to.directory);
    expect(await settledElsewhere(to.directory)).toBe("DIRECTORY_LOCKED");
    expect(await namesIn(to.directory)).toEqual(before);
    await engine.write([row(200)]);
    await engine.close();
    // What a process left that was killed while it settled does no harm.
    await mkdir(join(to.directory, "settling-cut"));
    expect(await settledElsewhere(to.directory)).toBe("settled");
    expect(await readdir(to.directory)).toEqual([`engine-${engineName}`]);
    const again = await opened(engineName, join(to.directory, `engine-${engineName}`));
    expect((await numbersIn(again)).at(-1)).toBe(200);
  });

  test("is left alone while another process has files on their way", { timeout: 30_000 }, async () => {
    const { directory, engine } = await homeWith(engineName, 5);
    await mkdir(join(directory, `engine-${engineName}.1`));
    expect(await settledElsewhere(directory)).toBe("DIRECTORY_LOCKED");
    await engine.close();
    await settleEngines(directory);
    expect(await namesIn(directory)).toEqual([`engine-${engineName}`]);
  });
});
