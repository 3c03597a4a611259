import { describe, expect, test } from "vitest";
import { clearInSteps } from "../../src/storage/clear-in-steps.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import type { RowChange, StorageEngine } from "../../src/storage/storage-engine.ts";
import { baseAt, diskKinds, fill, inventory, stateOf } from "./snapshot-fixture.ts";
import {
  batch,
  command,
  commands,
  configuration,
  copyOf,
  MemoryWatermarkFile,
  noop,
  openOver,
  plainEntry,
  term,
} from "./store-fixture.ts";

const everything = Number.MAX_SAFE_INTEGER;
const outOfRange = expect.objectContaining({ code: "LOG_RANGE" });

describe.each(diskKinds)("compaction over %s", (_, makeDisk) => {
  test("moves the first index, and keeps what comes after", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 20, 15);
    expect(store.logFirstIndex).toBe(1);
    await store.compact(baseAt(12, 1));
    expect(store.logFirstIndex).toBe(13);
    for (const from of [1, 11, 12]) await expect(store.readEntries(from, 20, everything)).rejects.toThrow(outOfRange);
    expect((await store.readEntries(13, 20, everything)).map(plainEntry)).toEqual(commands(13, 20, 1).map(plainEntry));
    const state = await stateOf(store);
    await store.close();

    const reopened = await disk.open();
    expect(reopened.recovered).toMatchObject({
      logBase: { index: 12, term: 1 },
      lastIndex: 20,
      termRuns: [{ firstIndex: 13, term: 1 }],
      appliedIndex: 15,
      logSizeBytes: store.logSizeBytes,
    });
    expect(reopened.logFirstIndex).toBe(13);
    expect(await stateOf(reopened)).toEqual(state);
    await expect(reopened.readEntries(12, 13, everything)).rejects.toThrow(outOfRange);
    await reopened.write(batch({ entries: [command(21, 1)] }));
    expect(await reopened.readEntries(13, 21, everything)).toHaveLength(9);
  });

  test("removes the records that are not needed any more, and nothing else", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 3000, 2600);
    await store.compact(baseAt(1000, 1));
    await store.compact(baseAt(2500, 1));
    await disk.swept();
    await store.close();
    const { log } = await inventory(disk);
    expect([log[0], log.at(-1), log.length]).toEqual([2501, 3000, 500]);
    expect(await stateOf(await disk.open())).toHaveLength(2600);
  });

  test("the log may become empty, and goes on behind its base", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 9, 9);
    await store.compact(baseAt(9, 1));
    expect(store.logSizeBytes).toBe(0);
    await store.close();
    const reopened = await disk.open();
    expect(reopened.recovered).toMatchObject({ logBase: { index: 9, term: 1 }, lastIndex: 9, termRuns: [] });
    await reopened.write(batch({ hardState: term(2, 9), entries: [noop(10, 2), command(11, 2)] }));
    await reopened.write(batch({ hardState: term(3, 9), truncateFrom: 10, entries: [noop(10, 3)] }));
    expect(await reopened.readEntries(10, 10, everything)).toHaveLength(1);
    await reopened.close();
    expect((await disk.open()).recovered).toMatchObject({ lastIndex: 10, termRuns: [{ firstIndex: 10, term: 3 }] });
  });

  test("the configuration at the base takes the place of the entries that brought it", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    const entries = [noop(1, 1), configuration(2, 1), command(3, 1), configuration(4, 1), command(5, 1)];
    await store.write(batch({ hardState: term(1, 5), entries, appliedIndex: 5 }));
    const { configuration: value } = configuration(2, 1);
    await store.compact({ index: 3, term: 1, configuration: { index: 2, configuration: value } });
    await store.close();
    const { recovered } = await disk.open();
    expect(recovered.baseConfiguration).toEqual({ index: 2, configuration: value });
    expect(recovered.configurationEntries).toEqual([configuration(4, 1)]);
  });

  test("turns are written meanwhile, and a read that began before ends well", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 2000, 2000);
    const reading = store.readEntries(1, 2000, everything);
    const compacting = store.compact(baseAt(1990, 1));
    for (let index = 2001; index <= 2020; index += 1) await store.write(batch({ entries: [command(index, 1)] }));
    await compacting;
    await disk.swept();
    expect(await reading).toHaveLength(2000);
    expect(await store.readEntries(1991, 2020, everything)).toHaveLength(30);
  });

  test("closes while records are being removed, and the next open goes on removing them", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 5000, 5000);
    await store.compact(baseAt(4990, 1));
    await store.close();
    // An end that was asked for is no failure, which would leave the watermark behind.
    expect(await Promise.race([store.failure, Promise.resolve("no failure")])).toBe("no failure");
    const reopened = await disk.open();
    expect(reopened.recovered.logBase.index).toBe(4990);
    await disk.swept();
    await reopened.close();
    expect((await inventory(disk)).log).toEqual(Array.from({ length: 10 }, (_, at) => 4991 + at));
  });
});

/** A memory engine that tells of each batch before it is there; what `onWrite` throws, the batch fails with. */
function watched(rows: MemoryRows, onWrite: (changes: readonly RowChange[]) => void): StorageEngine {
  const inner = openMemoryEngine(rows);
  const engine: StorageEngine = {
    ...inner,
    async write(changes) {
      onWrite(changes);
      await inner.write(changes);
    },
    clear: (range) => clearInSteps(engine, range),
  };
  return engine;
}

describe("compaction", () => {
  test("trap 68: the base is durable before the first record is removed, and a crash in between loses nothing", async () => {
    const rows = new MemoryRows();
    const crashes: MemoryRows[] = [];
    const engine = watched(rows, () => crashes.push(copyOf(rows)));
    const store = await openOver(rows, { engine });
    await fill(store, 2100, 2100);
    crashes.length = 0;
    await store.compact(baseAt(2050, 1));
    await new Promise((resolve) => setImmediate(resolve));
    crashes.push(copyOf(rows));
    expect(crashes.length).toBeGreaterThan(3);
    const bases = [];
    for (const crash of crashes) {
      const { recovered } = await openOver(crash);
      bases.push(recovered.logBase.index);
      expect(recovered).toMatchObject({ lastIndex: 2100, appliedIndex: 2100 });
    }
    expect(bases).toEqual([0, ...Array.from({ length: crashes.length - 1 }, () => 2050)]);
  });

  test("removes so few rows at once that nothing else waits long", async () => {
    const rows = new MemoryRows();
    const steps: number[] = [];
    const engine = watched(rows, (changes) => steps.push(changes.length));
    const store = await openOver(rows, { engine });
    await store.write(batch({ hardState: term(1, 9000), entries: noops(9000), appliedIndex: 9000 }));
    steps.length = 0;
    await store.compact(baseAt(9000, 1));
    await new Promise((resolve) => setImmediate(resolve));
    expect(rows.get(metaKeys.base)).toBeDefined();
    expect(Math.max(...steps)).toBeLessThanOrEqual(256);
    expect(steps.reduce((sum, each) => sum + each)).toBeGreaterThan(9000);
  });

  test("a base that is not applied, falls, or has another term comes from a bug", async () => {
    const store = await openOver(new MemoryRows());
    await fill(store, 10, 5);
    await expect(store.compact(baseAt(6, 1))).rejects.toThrow("entry 6 is not applied (5)");
    await store.compact(baseAt(4, 1));
    await expect(store.compact(baseAt(3, 1))).rejects.toThrow("falls from 4 to 3");
    const configurationAt = { ...baseAt(5, 1).configuration, index: 6 };
    await expect(store.compact({ ...baseAt(5, 1), configuration: configurationAt })).rejects.toThrow("is a later one");
    await store.compact(baseAt(4, 1));
    expect(store.logFirstIndex).toBe(5);
    await expect(store.compact(baseAt(5, 2))).rejects.toThrow("entry 5 has term 1, its base says 2");
  });

  test("the watermark holds across compactions: below the base, at it and behind it", async () => {
    for (const base of [3, 5, 7]) {
      const rows = new MemoryRows();
      const watermarkFile = new MemoryWatermarkFile();
      const never = { watermarkFile, startTimer: () => () => {} };
      const first = await openOver(rows, { watermarkFile });
      await fill(first, 5, 5);
      await first.close();
      const second = await openOver(rows, never);
      await second.write(batch({ hardState: term(1, 8), entries: commands(6, 8, 1), appliedIndex: 8 }));
      await second.compact(baseAt(base, 1));
      const crashed = copyOf(rows);
      const reopened = await openOver(crashed, { watermarkFile });
      expect(reopened.recovered).toMatchObject({ logBase: { index: base }, lastIndex: 8 });
      await reopened.close();
      expect(watermarkFile.written.at(-1)?.tail.index).toBe(8);
    }
  });

  test("a compaction that was durable and is gone is noticed by the number of writes", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const store = await openOver(rows, { watermarkFile });
    await fill(store, 5, 5);
    const before = copyOf(rows);
    await store.compact(baseAt(5, 1));
    await store.close();
    await expect(openOver(before, { watermarkFile })).rejects.toThrow("the sequence of writes was durable to 3");
  });

  test("a removal that fails ends the store, without anyone having asked for it", async () => {
    const rows = new MemoryRows();
    const engine = watched(rows, (changes) => {
      if (changes.every(({ type }) => type === "delete")) throw new Error("no space left");
    });
    const store = await openOver(rows, { engine });
    await fill(store, 5, 5);
    await store.compact(baseAt(5, 1));
    expect(await store.failure).toMatchObject({
      code: "WRITE_FAILED",
      message: expect.stringContaining("no space left"),
    });
    await expect(store.write(batch({}))).rejects.toMatchObject({ code: "WRITE_FAILED" });
  });
});

function noops(last: number) {
  return Array.from({ length: last }, (_, at) => noop(at + 1, 1));
}
