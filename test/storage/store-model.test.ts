import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { MemoryWatermarkFile, newDirectory, openIn, openOver, plainEntry, rowsBegun } from "./store-fixture.ts";
import { type Step, StoreModel, step } from "./store-model.ts";

const everything = { start: Buffer.of(), end: Buffer.of(0xff) };

async function mapOf(rows: AsyncIterable<Row>): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for await (const [key, value] of rows) {
    found.set(Buffer.from(key).toString(), Buffer.from(value).toString("latin1"));
  }
  return found;
}

async function expectSame(store: MemberStore, model: StoreModel): Promise<void> {
  const { log, base, lastIndex, installation } = model;
  const entries = log.length === 0 ? [] : await store.readEntries(base.index + 1, lastIndex, Number.MAX_SAFE_INTEGER);
  expect(entries.map(plainEntry)).toEqual(log.map(plainEntry));
  const state = [...model.state].sort(([a], [b]) => (a < b ? -1 : 1));
  expect(await mapOf(store.iterateState(everything))).toEqual(new Map(state));
  expect(store.logFirstIndex).toBe(base.index + 1);
  expect(store.installation?.source).toEqual(installation?.source);
  if (store.installation === undefined || installation === undefined) return;
  expect(await mapOf(store.installation.iterate(everything))).toEqual(new Map(installation.rows));
  expect(rowsBegun(store).rowCount).toBe(installation.rows.length);
}

function expectRecovered(store: MemberStore, model: StoreModel, sizeBytes: number): void {
  const { log, base } = model;
  expect(store.recovered).toEqual({
    hardState: model.hardState,
    logBase: { index: base.index, term: base.term },
    baseConfiguration: base.configuration,
    lastIndex: model.lastIndex,
    termRuns: log
      .filter((entry, at) => entry.term !== log[at - 1]?.term)
      .map(({ index, term }) => ({ firstIndex: index, term })),
    configurationEntries: log.filter(({ kind }) => kind === "configuration"),
    appliedIndex: model.appliedIndex,
    logSizeBytes: sizeBytes,
  });
}

async function install(store: MemberStore, model: StoreModel, drawn: Step): Promise<void> {
  const wasUnderWay = store.installation !== undefined;
  if (drawn.install === "begin") await store.beginInstallation(model.begin(drawn));
  if (!wasUnderWay) return;
  const installation = rowsBegun(store);
  if (drawn.install === "add") {
    const key = `${String(installation.rowCount).padStart(5, "0")}${drawn.installRow}`;
    model.installation?.rows.push([key, "added"]);
    await installation.addRows([[Buffer.from(key), Buffer.from("added")]]);
  }
  if (drawn.install === "finish" && model.mayFinish) {
    model.finish();
    await installation.finish(() => {});
  }
  if (drawn.install === "abandon") {
    model.installation = undefined;
    await installation.abandon();
  }
}

/** Runs steps against store and model; `open` opens the store again, over what the one before left. */
async function run(steps: readonly Step[], open: () => Promise<MemberStore>): Promise<void> {
  const model = new StoreModel();
  let store = await open();
  for (const [at, drawn] of steps.entries()) {
    await store.write(model.write(drawn, at));
    const base = model.compact(drawn);
    if (base !== undefined) await store.compact(base);
    await install(store, model, drawn);
    await expectSame(store, model);
    if (drawn.after === "go on") continue;
    const sizeBytes = store.logSizeBytes;
    if (drawn.after === "reopen") await store.close();
    store = await open();
    expectRecovered(store, model, sizeBytes);
    await expectSame(store, model);
  }
  await store.close();
}

describe("member store against a model", () => {
  test("any sequence of batches, compactions, installations, reopens and crashes", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        const rows = new MemoryRows();
        const watermarkFile = new MemoryWatermarkFile();
        await run(steps, () => openOver(rows, { watermarkFile, startTimer: () => () => {}, truncationStep: 5 }));
      }),
      { numRuns: 150 },
    );
  });

  test("any sequence of them over LevelDB", { timeout: 60_000 }, async () => {
    const kept = fc.array(
      step.map((drawn) => ({ ...drawn, after: drawn.after === "crash" ? ("reopen" as const) : drawn.after })),
      { minLength: 5, maxLength: 15 },
    );
    await fc.assert(
      fc.asyncProperty(kept, async (steps) => {
        const directory = await newDirectory();
        await run(steps, () => openIn(directory));
      }),
      { numRuns: 8 },
    );
  });
});
