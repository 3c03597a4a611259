// Damages one file of a data directory at a time, as a failing disk does, and opens and reads all of it: the answer is what was
// there before, or a refusal that says what is damaged. Runs over both engines, on files of every kind that they make.

import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import { type EngineName, engineNames } from "../../src/storage/engine-directory.ts";
import { batch, commands, contentOf, newDirectory, openIn, put, term } from "./store-fixture.ts";

/** What is done to a file; `undefined` removes it. */
type Damage = (content: Buffer) => Buffer | undefined;

/** What came of an opening: everything that the store answers, or what it is refused with. */
type Outcome = { readonly content: unknown } | { readonly refusal: RaftKvError };

/** Files in which nothing stands that is needed. */
const needless = /^(LOG(\.old.*)?|LOCK|IDENTITY|OPTIONS-\d+)$/;

/** Places at which a bit of each file is flipped; more of them, when asked for, take as much longer. */
const placesIn = (engineName: EngineName): number =>
  Number(process.env["DAMAGE_PLACES"] ?? (engineName === "rocksdb" ? 4 : 8));

describe.each(engineNames)("a damaged file of a directory under %s", (engineName) => {
  /** A directory whose files are to be damaged: those in which nothing stands that is needed, or all others. */
  async function prepare() {
    const filled = join(await newDirectory(), "filled");
    await fill(filled, engineName);
    const outcome = await openAndRead(filled, engineName);
    if ("refusal" in outcome) throw outcome.refusal;
    const files = await filesIn(filled);
    const isNeedless = (file: string): boolean => needless.test(basename(file));
    const needed = files.filter((file) => !isNeedless(file));
    return { filled, truth: outcome.content, needed, needless: files.filter(isNeedless) };
  }

  /** Opens copies of the directory, each with one file damaged, and gives what is wrong with the answers. */
  async function wrongAnswers(
    { filled, truth }: { readonly filled: string; readonly truth: unknown },
    files: readonly string[],
    damages: readonly Damage[],
    refusalIsRight = true,
  ): Promise<string[]> {
    const wrong: string[] = [];
    const left = files.flatMap((file) =>
      damages.map((damage, at) => ({ file, damage, name: `${file}, damage ${at}` })),
    );
    const work = async (directory: string): Promise<void> => {
      for (let next = left.pop(); next !== undefined; next = left.pop()) {
        const { file, damage, name } = next;
        await rm(directory, { recursive: true, force: true });
        await cp(filled, directory, { recursive: true });
        const bad = damage(await readFile(join(filled, file)));
        if (bad === undefined) await rm(join(directory, file));
        else await writeFile(join(directory, file), bad);
        const outcome = await openAndRead(directory, engineName);
        const problem = "refusal" in outcome ? problemOf(outcome.refusal, directory, refusalIsRight) : undefined;
        if (problem !== undefined) wrong.push(`${name}: ${problem}`);
        if ("content" in outcome && !isDeepStrictEqual(outcome.content, truth))
          wrong.push(`${name}: another content is served than was written`);
      }
    };
    const parent = await newDirectory();
    // Several at a time: an opening waits for the disk most of its time.
    await Promise.all(["a", "b", "c", "d"].map((name) => work(join(parent, name))));
    return wrong;
  }

  const places = placesIn(engineName);
  const timeoutMs = Math.max(60_000, 15_000 * places);
  const flipAt = (place: number) => (content: Buffer) =>
    flipped(content, Math.floor((content.length * place) / places), place % 8);
  const flips: Damage[] = Array.from({ length: places }, (_, place) => flipAt(place));
  const cuts: Damage[] = [0, 0.5, 1].map((share) => (content) => content.subarray(0, share * (content.length - 1)));
  const kinds: readonly (readonly [string, readonly Damage[]])[] = [
    ["a flipped bit", flips],
    ["an end that is cut off", cuts],
    ["a file that is gone", [() => undefined]],
  ];

  test("files of every kind are there to be damaged", async () => {
    const names = (await prepare()).needed.map((file) => basename(file).replace(/\d+/, "N"));
    const table = engineName === "rocksdb" ? "N.sst" : "N.ldb";
    expect(names).toEqual(expect.arrayContaining(["CURRENT", "MANIFEST-N", "N.log", table, "durable-watermark"]));
  });

  test.each(kinds)("%s is noticed, or does no harm", { timeout: timeoutMs }, async (_, damages) => {
    const prepared = await prepare();
    expect(await wrongAnswers(prepared, prepared.needed, damages)).toEqual([]);
  });

  test("files in which nothing stands that is needed may be damaged or gone", { timeout: timeoutMs }, async () => {
    const prepared = await prepare();
    expect(prepared.needless).not.toEqual([]);
    const damages: Damage[] = [(content) => flipped(content, 1, 1), () => undefined];
    expect(await wrongAnswers(prepared, prepared.needless, damages, false)).toEqual([]);
  });
});

/** A closed store with rows in tables and in the engine's own log: a start turns the log of before into tables. */
async function fill(directory: string, engineName: EngineName): Promise<void> {
  const store = await openIn(directory, { engineName });
  await store.write(batch({ hardState: term(1), entries: commands(1, 20, 1) }));
  await store.write(batch({ stateChanges: stateKeys(0).map((key) => put(key, "first")), appliedIndex: 2 }));
  await store.close();
  const again = await openIn(directory, { engineName });
  for (let index = 21; index <= 40; index += 1) {
    await again.write(batch({ entries: commands(index, index, 1) }));
    await again.write(batch({ stateChanges: [put(`k${index}`, "second")], appliedIndex: index }));
  }
  await again.close();
}

const stateKeys = (first: number): string[] => Array.from({ length: 41 }, (_, at) => `k${first + at}`);

async function openAndRead(directory: string, engineName: EngineName): Promise<Outcome> {
  try {
    const store = await openIn(directory, { engineName });
    try {
      const rows = stateKeys(0).map((key) => Buffer.from(store.stateRow(Buffer.from(key)) ?? "none").toString());
      return { content: { recovered: store.recovered, rows, all: await contentOf(store, store.recovered.lastIndex) } };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof RaftKvError) return { refusal: error };
    throw error;
  }
}

/** What is wrong with a refusal for damage: it names the place and says what to do. */
function problemOf({ code, message }: RaftKvError, directory: string, isRight: boolean): string | undefined {
  const told = `${code} ${message}`;
  if (!isRight) return `it is refused: ${told}`;
  if (code !== "LOG_CORRUPT" && code !== "STATE_CORRUPT") return `its code is wrong: ${told}`;
  if (!message.includes("; do not delete the directory, replace the member")) return `no advice: ${told}`;
  return message.includes(directory) ? undefined : `the directory is not named: ${told}`;
}

async function filesIn(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();
}

function flipped(content: Buffer, at: number, bit: number): Buffer {
  const bad = Buffer.from(content);
  if (at < bad.length) bad[at] = (bad[at] ?? 0) ^ (1 << bit);
  return bad;
}
