import { describe, expect, test } from "vitest";
import {
  diskKinds,
  fill,
  inventory,
  keyOf,
  rocksdbDisk,
  rowsOf,
  snapshotRows,
  sourceAt,
  stateOf,
  text,
} from "./snapshot-fixture.ts";
import { batch, command, commands, configuration, noop, plainEntry, rowsBegun, term } from "./store-fixture.ts";

const everything = Number.MAX_SAFE_INTEGER;
const outOfRange = expect.objectContaining({ code: "LOG_RANGE" });
const nothing = (): void => {};

describe.each(diskKinds)("installing a snapshot over %s", (_, makeDisk) => {
  test("turns state, log, configuration and indexes over at once", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 10, 8);
    const { configuration: value } = configuration(90, 1);
    const base = { index: 100, term: 1, configuration: { index: 90, configuration: value } };
    const installation = await store.beginInstallation({ ...sourceAt(100, 1), base });
    await installation.addRows(rowsOf(1, 40));
    await installation.addRows(rowsOf(41, 60));
    expect(store.logFirstIndex).toBe(1);
    expect(await stateOf(store)).toHaveLength(8);
    const seen: unknown[] = [];
    await installation.finish(() => {
      seen.push(Buffer.from(store.stateRow(Buffer.from(keyOf(60))) ?? []).toString(), store.logFirstIndex);
    });
    expect(seen).toEqual(["installed 60", 101]);
    expect(store.installation).toBeUndefined();
    expect(store.logSizeBytes).toBe(0);
    await expect(store.readEntries(1, 10, everything)).rejects.toThrow(outOfRange);
    await expect(store.readEntries(100, 100, everything)).rejects.toThrow(outOfRange);
    await store.write(batch({ hardState: term(2, 100), entries: [noop(101, 2)] }));
    await disk.swept();
    await store.close();
    expect(await inventory(disk)).toEqual({ log: [101], generations: [1] });

    const reopened = await disk.open();
    expect(reopened.recovered).toMatchObject({
      hardState: term(2, 100),
      logBase: { index: 100, term: 1 },
      baseConfiguration: { index: 90, configuration: value },
      lastIndex: 101,
      termRuns: [{ firstIndex: 101, term: 2 }],
      configurationEntries: [],
      appliedIndex: 100,
    });
    expect(await stateOf(reopened)).toEqual(rowsOf(1, 60).map(text));
  });

  test("trap 74: what contradicts the snapshot is gone, whatever the log held", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 10, 4);
    await store.write(batch({ hardState: term(3, 4) }));
    const installation = await store.beginInstallation(sourceAt(7, 3));
    await installation.addRows(rowsOf(1, 3));
    await installation.finish(nothing);
    await expect(store.readEntries(8, 8, 1)).rejects.toThrow(outOfRange);
    await store.write(batch({ entries: [command(8, 3, "other")] }));
    const expected = [plainEntry(command(8, 3, "other"))];
    expect((await store.readEntries(8, 8, everything)).map(plainEntry)).toEqual(expected);
    await disk.swept();
    await store.close();
    expect(await inventory(disk)).toEqual({ log: [8], generations: [1] });
    const reopened = await disk.open();
    expect(reopened.recovered).toMatchObject({ lastIndex: 8, appliedIndex: 7, logBase: { index: 7, term: 3 } });
    expect((await reopened.readEntries(8, 8, everything)).map(plainEntry)).toEqual(expected);
  });

  test("entries that follow the snapshot stay when the log has its entry", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 20, 4);
    const whole = store.logSizeBytes;
    const installation = await store.beginInstallation(sourceAt(15, 1));
    await installation.addRows(rowsOf(1, 3));
    await installation.finish(nothing);
    expect((await store.readEntries(16, 20, everything)).map(plainEntry)).toEqual(commands(16, 20, 1).map(plainEntry));
    expect(store.logSizeBytes).toBeLessThan(whole / 3);
    await store.write(batch({ entries: [command(21, 1)] }));
    await disk.swept();
    await store.close();
    expect((await inventory(disk)).log).toEqual([16, 17, 18, 19, 20, 21]);
    expect((await disk.open()).recovered).toMatchObject({
      lastIndex: 21,
      appliedIndex: 15,
      logSizeBytes: store.logSizeBytes,
      hardState: { commitIndex: 15 },
    });
  });

  test("goes on after a restart where it was", async () => {
    const disk = await makeDisk();
    const first = await disk.open();
    await fill(first, 10, 8);
    const begun = await first.beginInstallation(sourceAt(50, 1));
    await begun.addRows(rowsOf(1, 20));
    await begun.addRows(rowsOf(21, 30));
    await first.close();

    const second = await disk.open();
    const installation = rowsBegun(second);
    expect(installation).toMatchObject({ source: sourceAt(50, 1), rowCount: 30, bytes: begun.bytes });
    expect(Buffer.from(installation.lastKey ?? []).toString()).toBe(keyOf(30));
    expect(await stateOf(second)).toHaveLength(8);
    await installation.addRows(rowsOf(31, 35));
    await installation.finish(nothing);
    await second.close();
    const third = await disk.open();
    expect(third.installation).toBeUndefined();
    expect(await stateOf(third)).toEqual(rowsOf(1, 35).map(text));
  });
});

describe("over RocksDB", () => {
  test("compaction, snapshots and installation survive reopening", { timeout: 60_000 }, async () => {
    const disk = await rocksdbDisk();
    const store = await disk.open();
    await fill(store, 3000, 2900);
    await store.compact({ ...sourceAt(2500, 1).base });
    const snapshot = store.openSnapshot();
    const installation = await store.beginInstallation(sourceAt(4000, 1));
    await installation.addRows(rowsOf(1, 500));
    expect(await snapshotRows(snapshot)).toHaveLength(2900);
    await snapshot.close();
    await store.close();
    const reopened = await disk.open();
    expect(reopened.recovered.logBase.index).toBe(2500);
    await rowsBegun(reopened).addRows(rowsOf(501, 600));
    await rowsBegun(reopened).finish(nothing);
    await reopened.write(batch({ entries: [command(4001, 1)] }));
    await disk.swept();
    await reopened.close();
    expect(await inventory(disk)).toEqual({ log: [4001], generations: [1] });
  });
});
