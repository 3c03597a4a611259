import { describe, expect, test } from "vitest";
import { clearInSteps } from "../../src/storage/clear-in-steps.ts";
import { readInstallation } from "../../src/storage/installation-row.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import type { RowChange, StorageEngine } from "../../src/storage/storage-engine.ts";
import { type Disk, fill, inventory, keyOf, rowsOf, sourceAt, stateOf, text } from "./snapshot-fixture.ts";
import { batch, commands, copyOf, MemoryWatermarkFile, openOver, rowsBegun, term } from "./store-fixture.ts";

const all = { start: Buffer.of(), end: Buffer.of(0xff) };
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const onMemory = (rows: MemoryRows): Pick<Disk, "rows"> => ({ rows: async () => rows.snapshot() });
const everything = Number.MAX_SAFE_INTEGER;
const nothing = (): void => {};

/** A memory engine whose writes wait, one by one, until they are let through. */
function heldEngine(rows: MemoryRows) {
  const inner = openMemoryEngine(rows);
  const held: { readonly changes: readonly RowChange[]; readonly pass: (error?: Error) => void }[] = [];
  let holding = false;
  const engine: StorageEngine = {
    ...inner,
    async write(changes) {
      if (holding) {
        const error = await new Promise<Error | undefined>((resolve) => held.push({ changes, pass: resolve }));
        if (error !== undefined) throw error;
      }
      await inner.write(changes);
    },
    clear: (range) => clearInSteps(engine, range),
  };
  const hold = (wanted = true): void => {
    holding = wanted;
  };
  return { engine, held, hold };
}

describe("installing a snapshot", () => {
  test("one that is begun while another is being given up keeps its place, also over a restart", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await fill(store, 5, 5);
    const first = await store.beginInstallation(sourceAt(50, 1));
    await first.addRows(rowsOf(1, 10));
    const given = first.abandon();
    const second = await store.beginInstallation(sourceAt(60, 1));
    await given;
    expect(store.installation).toBe(second);
    await store.close();
    expect((await openOver(rows)).installation).toMatchObject({ source: sourceAt(60, 1) });
  });

  test("one that is begun while the row of another is being removed writes its own afterwards", async () => {
    const rows = new MemoryRows();
    const { engine, held, hold } = heldEngine(rows);
    const store = await openOver(rows, { engine });
    await fill(store, 5, 5);
    const first = await store.beginInstallation(sourceAt(50, 1));
    hold();
    const given = first.abandon();
    await nextTurn();
    const begun = store.beginInstallation(sourceAt(60, 1));
    await nextTurn();
    expect(held).toHaveLength(1);
    hold(false);
    held.shift()?.pass();
    await given;
    expect(store.installation).toBe(await begun);
    await store.close();
    expect((await openOver(rows)).installation).toMatchObject({ source: sourceAt(60, 1) });
  });

  test("trap 72: another takes the place of the one before, whose rows go away", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await fill(store, 5, 5);
    const first = await store.beginInstallation(sourceAt(50, 1));
    await first.addRows(rowsOf(1, 10));
    const second = await store.beginInstallation(sourceAt(60, 1));
    expect(store.installation).toBe(second);
    expect(second).toMatchObject({ lastKey: null, rowCount: 0, bytes: 0, source: sourceAt(60, 1) });
    await expect(first.addRows(rowsOf(11, 12))).rejects.toThrow("an installation that has ended");
    await expect(first.finish(nothing)).rejects.toThrow("has ended");
    await first.abandon();
    await nextTurn();
    expect((await inventory(onMemory(rows))).generations).toEqual([0]);
    await second.addRows(rowsOf(1, 2, "second"));
    const reopened = await openOver(copyOf(rows));
    expect(reopened.installation).toMatchObject({ source: sourceAt(60, 1), rowCount: 2 });
    await second.finish(nothing);
    expect(await stateOf(store)).toEqual(rowsOf(1, 2, "second").map(text));
  });

  test("waits for rows of the one before that are still being added", async () => {
    const rows = new MemoryRows();
    const { engine, held, hold } = heldEngine(rows);
    const store = await openOver(rows, { engine });
    const first = await store.beginInstallation(sourceAt(50, 1));
    hold();
    const adding = first.addRows(rowsOf(1, 10));
    const beginning = store.beginInstallation(sourceAt(60, 1));
    await nextTurn();
    expect(held).toHaveLength(1);
    hold(false);
    held[0]?.pass();
    await adding;
    const second = await beginning;
    await nextTurn();
    expect((await inventory(onMemory(rows))).generations).toEqual([]);
    expect((await openOver(copyOf(rows))).installation).toMatchObject({ source: second.source, rowCount: 0 });
  });

  test("is given up with all its rows, before and after a restart", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await fill(store, 5, 5);
    const installation = await store.beginInstallation(sourceAt(50, 1));
    const adding = installation.addRows(rowsOf(1, 10));
    await Promise.all([installation.abandon(), adding]);
    await installation.abandon();
    expect(store.installation).toBeUndefined();
    await nextTurn();
    expect(await inventory(onMemory(rows))).toEqual({ log: [1, 2, 3, 4, 5], generations: [0] });
    const again = await store.beginInstallation(sourceAt(55, 1));
    await again.addRows(rowsOf(1, 3));
    const reopened = await openOver(rows);
    await reopened.installation?.abandon();
    await nextTurn();
    expect((await inventory(onMemory(rows))).generations).toEqual([0]);
    expect((await openOver(rows)).installation).toBeUndefined();
  });

  test("never fills a generation that may still hold rows of another", async () => {
    const rows = new MemoryRows();
    const noClear = { ...openMemoryEngine(rows), clear: async () => {} };
    let store = await openOver(rows, { engine: noClear });
    for (const index of [50, 60]) {
      const installation = await store.beginInstallation(sourceAt(index, 1));
      await installation.addRows(rowsOf(1, 4, `of ${index}`));
      await installation.abandon();
    }
    store = await openOver(rows, { engine: { ...openMemoryEngine(rows), clear: async () => {} } });
    const third = await store.beginInstallation(sourceAt(70, 0));
    await third.addRows(rowsOf(2, 2, "of 70"));
    expect((await inventory(onMemory(rows))).generations).toEqual([1, 2, 3]);
    await third.finish(nothing);
    expect(await stateOf(store)).toEqual(rowsOf(2, 2, "of 70").map(text));
    await openOver(rows);
    await nextTurn();
    expect((await inventory(onMemory(rows))).generations).toEqual([3]);
  });

  test("rows that come out of order, too early or too late come from a bug", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await fill(store, 20, 10);
    const installation = await store.beginInstallation(sourceAt(15, 1));
    await installation.addRows([]);
    expect(installation.lastKey).toBeNull();
    await installation.addRows(rowsOf(5, 6));
    for (const wrong of [
      rowsOf(6, 7),
      rowsOf(1, 1),
      [...rowsOf(9, 9), ...rowsOf(8, 8)],
      [...rowsOf(9, 9), ...rowsOf(9, 9)],
    ]) {
      await expect(installation.addRows(wrong)).rejects.toThrow("out of order");
    }
    const together = [
      installation.addRows(rowsOf(7, 8)),
      installation.addRows(rowsOf(9, 9)),
      installation.finish(nothing),
    ];
    expect(await Promise.allSettled(together)).toMatchObject([
      { status: "fulfilled" },
      { reason: { message: expect.stringContaining("while others are being added") } },
      { reason: { message: expect.stringContaining("still being added") } },
    ]);
    expect(await Promise.allSettled([store.write(batch({})), installation.finish(nothing)])).toMatchObject([
      { status: "fulfilled" },
      { reason: { message: expect.stringContaining("while another was under way") } },
    ]);
    expect(installation).toMatchObject({ rowCount: 4, lastKey: Uint8Array.from(Buffer.from(keyOf(8))) });
    expect(await Promise.allSettled([installation.finish(nothing), store.write(batch({}))])).toMatchObject([
      { status: "fulfilled" },
      { reason: { message: expect.stringContaining("while another was under way") } },
    ]);
    await expect(installation.addRows(rowsOf(9, 9))).rejects.toThrow("has ended");
  });

  test("many rows come in several batches, each of which can be gone on from", async () => {
    const rows = new MemoryRows();
    const { engine, held, hold } = heldEngine(rows);
    const store = await openOver(rows, { engine });
    await fill(store, 20, 10);
    const installation = await store.beginInstallation(sourceAt(100, 1));
    hold();
    const adding = installation.addRows(rowsOf(1, 1200));
    const counts: unknown[] = [];
    for (let at = 0; at < 3; at += 1) {
      await nextTurn();
      expect(held).toHaveLength(at + 1);
      const found = rowsBegun(await openOver(copyOf(rows)));
      const state: string[] = [];
      for await (const row of found.iterate(all)) state.push(text(row));
      expect(state).toEqual(rowsOf(1, found.rowCount).map(text));
      counts.push(found.rowCount, found.lastKey && Buffer.from(found.lastKey).toString());
      held[at]?.pass();
    }
    await adding;
    expect(counts).toEqual([0, null, 512, keyOf(512), 1024, keyOf(1024)]);
    expect(installation.rowCount).toBe(1200);
  });

  test("now and then how far it is, is written down; a start counts what came since", async () => {
    const rows = new MemoryRows();
    const engine = openMemoryEngine(rows);
    const marks: (Uint8Array | null)[] = [];
    const write: typeof engine.write = async (changes) => {
      for (const change of changes) {
        if (change.type === "delete" || Buffer.compare(change.key, metaKeys.installation) !== 0) continue;
        marks.push(readInstallation(change.value).lastKey);
      }
      await engine.write(changes);
    };
    const bytesOfTen = rowsOf(1, 10).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    const store = await openOver(rows, { engine: { ...engine, write }, installationMarkBytes: bytesOfTen });
    await fill(store, 20, 10);
    const installation = await store.beginInstallation(sourceAt(100, 1));
    for (let first = 1; first <= 25; first += 1) {
      await installation.addRows(rowsOf(first, first));
      const found = rowsBegun(await openOver(copyOf(rows)));
      expect([found.rowCount, found.bytes]).toEqual([first, installation.bytes]);
      expect(Buffer.from(found.lastKey ?? []).toString()).toBe(keyOf(first));
    }
    expect(marks.map((key) => key && Buffer.from(key).toString())).toEqual([null, keyOf(10), keyOf(20)]);
  });

  test("what a start has to count does not grow with the starts", async () => {
    const rows = new MemoryRows();
    const bytesOfTen = rowsOf(11, 20).reduce((sum, [key, value]) => sum + key.length + value.length, 0);
    const reopened = () => openOver(rows, { installationMarkBytes: bytesOfTen });
    const store = await reopened();
    await fill(store, 20, 10);
    await (await store.beginInstallation(sourceAt(100, 1))).addRows(rowsOf(11, 11));
    for (let first = 12; first <= 20; first += 1) await rowsBegun(await reopened()).addRows(rowsOf(first, first));
    const row = openMemoryEngine(rows).get(metaKeys.installation);
    expect(row && readInstallation(row)).toMatchObject({ rowCount: 10, bytes: bytesOfTen });
  });

  test("trap 71: a snapshot that brings nothing new, or comes from nowhere, is not turned to", async () => {
    const store = await openOver(new MemoryRows());
    await fill(store, 20, 10);
    for (const [source, why] of [
      [sourceAt(10, 1), "not beyond what is committed"],
      [sourceAt(9, 1), "not beyond what is committed"],
      [sourceAt(15, 2), "term 2 is beyond the hard state's 1"],
    ] as const) {
      const installation = await store.beginInstallation(source);
      await expect(installation.finish(nothing)).rejects.toThrow(why);
      await installation.abandon();
    }
    expect(store.logFirstIndex).toBe(1);
    expect(await stateOf(store)).toHaveLength(10);
  });

  test("turns do not wait for rows that are being added", async () => {
    const rows = new MemoryRows();
    const { engine, held, hold } = heldEngine(rows);
    const store = await openOver(rows, { engine });
    const installation = await store.beginInstallation(sourceAt(50, 1));
    hold();
    const adding = installation.addRows(rowsOf(1, 10));
    const turn = store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    await nextTurn();
    expect(held).toHaveLength(2);
    const isTurn = ({ changes }: (typeof held)[number]): boolean =>
      changes.some(({ key }) => Buffer.compare(key, metaKeys.progress) === 0);
    held.find(isTurn)?.pass();
    await turn;
    expect(await store.readEntries(1, 3, everything)).toHaveLength(3);
    expect(installation.rowCount).toBe(0);
    held.find((write) => !isTurn(write))?.pass();
    await adding;
    expect(installation.rowCount).toBe(10);
  });

  test("trap 73: readers see the old state and log until the flip is durable, and then the new, never a mix", async () => {
    const rows = new MemoryRows();
    const { engine, held, hold } = heldEngine(rows);
    const store = await openOver(rows, { engine });
    await fill(store, 20, 10);
    const installation = await store.beginInstallation(sourceAt(100, 1));
    await installation.addRows(rowsOf(1, 3));
    const seen = async () => ({
      first: store.logFirstIndex,
      row: Buffer.from(store.stateRow(Buffer.from(keyOf(2))) ?? []).toString(),
      rows: (await stateOf(store)).length,
      entries: await store.readEntries(5, 20, everything).then(
        ({ length }) => length,
        ({ code }) => code,
      ),
    });
    const old = { first: 1, row: "value 2", rows: 10, entries: 16 };
    hold();
    const calls: unknown[] = [];
    const finishing = installation.finish(() => calls.push(store.logFirstIndex));
    await nextTurn();
    expect(held).toHaveLength(1);
    expect(await seen()).toEqual(old);
    const iterating = store.iterateState({ start: Buffer.of(), end: Buffer.of(0xff) })[Symbol.asyncIterator]();
    await iterating.next();
    const reading = store.readEntries(1, 20, everything);
    expect(calls).toEqual([]);
    hold(false);
    held[0]?.pass();
    await finishing;
    expect(calls).toEqual([101]);
    expect(await seen()).toEqual({ first: 101, row: "installed 2", rows: 3, entries: "LOG_RANGE" });
    expect(await reading).toHaveLength(20);
    let left = 1;
    for (let next = await iterating.next(); next.done !== true; next = await iterating.next()) left += 1;
    expect(left).toBe(10);
  });

  test("while it is being finished no other may take its place: its rows are about to be the state", async () => {
    const rows = new MemoryRows();
    const { engine, held, hold } = heldEngine(rows);
    const store = await openOver(rows, { engine });
    await fill(store, 5, 5);
    const installation = await store.beginInstallation(sourceAt(50, 1));
    await installation.addRows(rowsOf(1, 3));
    hold();
    const finishing = installation.finish(nothing);
    await expect(store.beginInstallation(sourceAt(60, 1))).rejects.toThrow("being finished");
    hold(false);
    held[0]?.pass();
    await finishing;
    await store.beginInstallation(sourceAt(60, 1));
    await nextTurn();
    expect(await stateOf(store)).toEqual(rowsOf(1, 3).map(text));
  });

  test("the watermark is down before entries go that contradict the snapshot, and up behind the flip", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const first = await openOver(rows, { watermarkFile });
    await fill(first, 20, 10);
    await first.write(batch({ hardState: term(2, 10) }));
    await first.close();
    const store = await openOver(rows, { watermarkFile, startTimer: () => () => {}, truncationStep: 2 });
    const installation = await store.beginInstallation(sourceAt(15, 2));
    watermarkFile.written.length = 1;
    await watermarkFile.write({ writes: 3, tail: { index: 20, term: 1, checksum: 1 }, hardStateTerm: 2 });
    await installation.finish(nothing);
    expect(watermarkFile.written.map(({ tail }) => tail.index)).toEqual([0, 20, 18, 16, 14]);
    expect((await openOver(copyOf(rows), { watermarkFile })).recovered).toMatchObject({
      lastIndex: 15,
      appliedIndex: 15,
    });
    await store.close();
    expect(watermarkFile.written.at(-1)).toMatchObject({ tail: { index: 15, term: 2 }, hardStateTerm: 2 });
    expect((await openOver(rows, { watermarkFile })).recovered.logBase).toEqual({ index: 15, term: 2 });
  });

  test("a log that lost what came after an installed snapshot is noticed", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const store = await openOver(rows, { watermarkFile });
    await store.write(batch({ hardState: term(1) }));
    await (await store.beginInstallation(sourceAt(50, 1))).finish(nothing);
    const early = copyOf(rows);
    await store.write(batch({ entries: commands(51, 53, 1) }));
    await store.close();
    await expect(openOver(early, { watermarkFile })).rejects.toThrow(
      "the log was durable to 53, the directory holds only 50",
    );
  });

  test("a write that fails in any part of it ends the store", async () => {
    for (const part of ["begin", "add", "finish", "abandon"] as const) {
      const rows = new MemoryRows();
      const { engine, held, hold } = heldEngine(rows);
      const store = await openOver(rows, { engine });
      await fill(store, 5, 5);
      if (part === "begin") hold();
      const beginning = store.beginInstallation(sourceAt(50, 1));
      hold();
      const rest = beginning.then((installation) => {
        if (part === "begin") return undefined;
        if (part === "add") return installation.addRows(rowsOf(1, 3));
        return part === "finish" ? installation.finish(nothing) : installation.abandon();
      });
      await nextTurn();
      held[0]?.pass(new Error("input/output error"));
      const failed = expect.objectContaining({ code: "WRITE_FAILED" });
      await expect(rest).rejects.toThrow(failed);
      await expect(store.write(batch({}))).rejects.toThrow(failed);
      expect(await store.failure).toMatchObject({ message: expect.stringContaining("input/output error") });
    }
  });

  test("everything is refused once the store is closed", async () => {
    const store = await openOver(new MemoryRows());
    const installation = await store.beginInstallation(sourceAt(50, 1));
    await store.close();
    const closed = expect.objectContaining({ code: "STORE_CLOSED" });
    await expect(store.beginInstallation(sourceAt(50, 1))).rejects.toThrow(closed);
    await expect(store.compact(sourceAt(0, 0).base)).rejects.toThrow(closed);
    await expect(installation.addRows(rowsOf(1, 2))).rejects.toThrow(closed);
    await expect(installation.finish(nothing)).rejects.toThrow(closed);
    await expect(installation.abandon()).rejects.toThrow(closed);
    expect(
      await installation
        .iterate(all)
        [Symbol.asyncIterator]()
        .next()
        .catch(({ code }) => code),
    ).toBe("STORE_CLOSED");
  });
});
