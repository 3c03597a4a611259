import { describe, expect, test } from "vitest";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { stateKey } from "../../src/storage/row-keys.ts";
import { diskKinds, fill, keyOf, rowsOf, snapshotRows, sourceAt, stateOf, text } from "./snapshot-fixture.ts";
import { batch, commands, openOver, put, term } from "./store-fixture.ts";

const closed = expect.objectContaining({ code: "STORE_CLOSED" });

describe.each(diskKinds)("state snapshots over %s", (_, makeDisk) => {
  test("stay as they were, at exactly their index, whatever is written later", async () => {
    const store = await (await makeDisk()).open();
    await fill(store, 30, 20);
    const before = await stateOf(store);
    const snapshot = store.openSnapshot();
    const changes = [
      put(keyOf(1), "other"),
      put("new", "row"),
      { type: "delete", key: Buffer.from(keyOf(2)) } as const,
    ];
    await store.write(batch({ stateChanges: changes, appliedIndex: 25 }));
    expect(snapshot.appliedIndex).toBe(20);
    expect(await snapshotRows(snapshot)).toEqual(before);
    const later = store.openSnapshot();
    expect(later.appliedIndex).toBe(25);
    expect(await snapshotRows(later)).toEqual(await stateOf(store));
    await Promise.all([snapshot.close(), later.close()]);
  });

  test("tell of a write under way whole, or not at all", async () => {
    const store = await (await makeDisk()).open();
    await fill(store, 200, 10);
    for (let applied = 11; applied <= 200; applied += 1) {
      const writing = store.write(batch({ stateChanges: [put("last", `${applied}`)], appliedIndex: applied }));
      const snapshot = store.openSnapshot();
      const rows = await snapshotRows(snapshot, keyOf(99999));
      expect([applied - 1, applied]).toContain(snapshot.appliedIndex);
      expect(rows).toEqual(snapshot.appliedIndex === 10 ? [] : [`last = ${snapshot.appliedIndex}`]);
      await writing;
      await snapshot.close();
    }
  });

  test("give rows in pages, and from behind any key on", async () => {
    const store = await (await makeDisk()).open();
    await fill(store, 50, 50);
    await store.write(batch({ stateChanges: [put("", "empty"), put("key", "short")], appliedIndex: 50 }));
    const snapshot = store.openSnapshot();
    const all = await snapshotRows(snapshot);
    expect(all).toHaveLength(52);
    for (const [at, row] of all.entries()) {
      expect(await snapshotRows(snapshot, row.split(" = ")[0])).toEqual(all.slice(at + 1));
    }
    const sizes: number[] = [];
    for await (const page of snapshot.rows(null, 200)) sizes.push(page.length);
    expect(Math.max(...sizes)).toBeLessThan(12);
    expect(Math.min(...sizes)).toBeGreaterThan(0);
    await snapshot.close();
  });

  test("stay across a flip to another generation, and the next one is of that", async () => {
    const disk = await makeDisk();
    const store = await disk.open();
    await fill(store, 10, 10);
    const old = store.openSnapshot();
    const before = await stateOf(store);
    const installation = await store.beginInstallation(sourceAt(60, 1));
    await installation.addRows(rowsOf(1, 5));
    const during = store.openSnapshot();
    await installation.finish(() => {});
    await disk.swept();
    expect([old.appliedIndex, during.appliedIndex]).toEqual([10, 10]);
    expect(await snapshotRows(old)).toEqual(before);
    expect(await snapshotRows(during)).toEqual(before);
    const fresh = store.openSnapshot();
    expect(fresh.appliedIndex).toBe(60);
    expect(await snapshotRows(fresh)).toEqual(rowsOf(1, 5).map(text));
    for (const each of [old, during, fresh]) await each.close();
  });

  test("end with their close, and with that of the store", async () => {
    const store = await (await makeDisk()).open();
    await fill(store, 10, 10);
    const snapshot = store.openSnapshot();
    const other = store.openSnapshot();
    await Promise.all([snapshot.close(), snapshot.close()]);
    await expect(snapshotRows(snapshot)).rejects.toThrow(closed);
    expect(await snapshotRows(other)).toHaveLength(10);
    await store.close();
    await expect(snapshotRows(other)).rejects.toThrow(closed);
    await other.close();
    expect(() => store.openSnapshot()).toThrow(closed);
  });
});

describe("state snapshots", () => {
  test("a damaged row is refused, not handed on", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await fill(store, 10, 10);
    rows
      .snapshot()
      .find(([key]) => Buffer.compare(key, stateKey(0, Buffer.from(keyOf(7)))) === 0)?.[1]
      .set([0xff], 5);
    const snapshot = store.openSnapshot();
    await expect(snapshotRows(snapshot)).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  });

  test("a row that is copied from one generation into another is damaged there", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await fill(store, 10, 10);
    const installation = await store.beginInstallation(sourceAt(60, 1));
    await installation.addRows(rowsOf(1, 2));
    const value = rows.get(stateKey(0, Buffer.from(keyOf(1)))) ?? Buffer.of();
    rows.apply({ type: "put", key: stateKey(1, Buffer.from(keyOf(1))), value });
    await installation.finish(() => {});
    expect(() => store.stateRow(Buffer.from(keyOf(1)))).toThrow(expect.objectContaining({ code: "STATE_CORRUPT" }));
  });

  test("of an empty state they have no rows, and stand at index 0", async () => {
    const store = await openOver(new MemoryRows());
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    const snapshot = store.openSnapshot();
    expect(snapshot.appliedIndex).toBe(0);
    expect(await snapshotRows(snapshot)).toEqual([]);
  });
});
