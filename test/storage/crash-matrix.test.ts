import { isDeepStrictEqual } from "node:util";
import { describe, expect, test } from "vitest";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { type Crash, CrashDisk, type CrashPlace, type Order } from "./crash-disk.ts";
import { type Content, contentOf, nothing } from "./crash-model.ts";
import {
  contents,
  installationMarkBytes,
  outcomes,
  type Part,
  peers,
  plain,
  type Step,
  scenario,
  truncationStep,
} from "./crash-scenario.ts";
import { inventory } from "./snapshot-fixture.ts";
import { openOver } from "./store-fixture.ts";

/** How far a run has come. */
interface Progress {
  /** Step under way; -1 while the store is first opened. */
  step: number;
  /** Parts of it that have resolved. */
  readonly done: Set<Part>;
}

function open(disk: CrashDisk): Promise<MemberStore> {
  return openOver(disk.rows, {
    engine: disk.engine(),
    watermarkFile: disk.watermarkFile(),
    // At once: what the watermark says is then as new as it can be.
    startTimer: (callback) => {
      const timer = setImmediate(callback);
      return () => clearImmediate(timer);
    },
    truncationStep,
    installationMarkBytes,
  });
}

/** Runs steps, the first of them without the parts in `skip`. */
async function run(
  disk: CrashDisk,
  first: MemberStore,
  steps: readonly (readonly [at: number, step: Step])[],
  progress: Progress,
  skip: ReadonlySet<Part> = new Set(),
): Promise<MemberStore> {
  let store = first;
  for (const [at, { parts }] of steps) {
    progress.step = at;
    progress.done.clear();
    if (parts.length === 0) {
      await store.close();
      store = await open(disk);
    }
    const due = parts.filter((part) => !skip.has(part));
    await Promise.all(due.map((part) => part.run(store).then(() => progress.done.add(part))));
  }
  return store;
}

/** Steps that the process after the crash does, that with the crash among them. */
const furtherSteps = 4;

async function expectNoGarbage(disk: CrashDisk, { base, entries, state, installation }: Content): Promise<void> {
  await disk.quiet();
  const { log, generations } = await inventory({ rows: async () => disk.rows.snapshot() });
  expect(log).toEqual(entries.map((_, at) => base.index + 1 + at));
  expect(generations).toHaveLength([state, installation?.rows ?? []].filter(({ length }) => length > 0).length);
}

/** Lets a process die, looks at what it left, and lets the next one do the rest. */
async function crashAndGoOn(crash: Crash, order: Order): Promise<string> {
  const disk = new CrashDisk({ crash, order });
  const progress: Progress = { step: -1, done: new Set() };
  const whole = open(disk).then((store) => run(disk, store, [...scenario.entries()], progress));
  await Promise.race([whole, disk.died]);

  const next = new CrashDisk({ from: disk, order });
  const store = await open(next);
  const found = await contentOf(store, peers);
  const { name, parts } = scenario[progress.step] ?? { name: "open", parts: [] };
  const allowed = outcomes(contents[Math.max(progress.step, 0)] ?? nothing, parts, progress.done);
  const match = allowed.find(([content]) => isDeepStrictEqual(plain(content), plain(found)));
  if (match === undefined) expect(found, name).toEqual(allowed[0]?.[0]);
  const [content, done] = match ?? [found, new Set<Part>()];
  await expectNoGarbage(next, content);

  const first = Math.max(progress.step, 0);
  const further = [...scenario.entries()].slice(first, first + furtherSteps);
  await (await run(next, store, further, { step: -1, done: new Set() }, done)).close();
  const last = await open(next);
  const end = contents[first + further.length] ?? nothing;
  expect(plain(await contentOf(last, peers)), name).toEqual(plain(end));
  await expectNoGarbage(next, end);
  await last.close();
  return name;
}

/** Every way to die at a place: each storage call, and there each choice of what was under way and is kept. */
async function waysToDie(place: CrashPlace, order: Order): Promise<Crash[]> {
  const disk = new CrashDisk({ order });
  const store = await run(disk, await open(disk), [...scenario.entries()], { step: -1, done: new Set() });
  await disk.quiet();
  await store.close();
  return disk.underWay
    .filter((each) => each.place === place)
    .flatMap(({ call, writes }) => Array.from({ length: 2 ** writes }, (_, kept) => ({ call, place, kept })));
}

describe("crash matrix", () => {
  test("without a crash the scenario comes to what it should, at every step", async () => {
    const disk = new CrashDisk();
    let store = await open(disk);
    for (const [at, each] of scenario.entries()) {
      store = await run(disk, store, [[at, each]], { step: -1, done: new Set() });
      const copy = new CrashDisk({ from: disk });
      await disk.quiet();
      expect(plain(await contentOf(await open(copy), peers)), each.name).toEqual(plain(contents[at + 1]));
    }
    await store.close();
  });

  for (const [place, order] of [
    ["before", "oldest first"],
    ["during", "oldest first"],
    ["after", "oldest first"],
    ["during", "newest first"],
  ] as const) {
    test(`dying ${place} any storage call leaves the old or the new, writes landing ${order}`, async () => {
      const struck = new Set<string>();
      for (const crash of await waysToDie(place, order)) struck.add(await crashAndGoOn(crash, order));
      const spared = ["open", ...scenario.map(({ name }) => name)].filter((name) => !struck.has(name));
      expect(spared).toEqual([]);
    }, 120_000);
  }
});
