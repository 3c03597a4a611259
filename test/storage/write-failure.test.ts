import { describe, expect, test } from "vitest";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { batch, command, commands, MemoryWatermarkFile, openOver, term } from "./store-fixture.ts";

const failed = expect.objectContaining({ code: "WRITE_FAILED" });

/** An engine whose writes fail once `disk.full` is set, whether or not the rows came through. */
function engineOn(rows: MemoryRows, disk: { full: boolean; lands: boolean }): StorageEngine {
  const engine = openMemoryEngine(rows);
  return {
    ...engine,
    write: async (changes) => {
      if (!disk.full || disk.lands) await engine.write(changes);
      if (disk.full) throw new Error("no space left");
    },
  };
}

describe("write failures", () => {
  test("trap 62: a failed write is never tried again, and everything after it is refused", async () => {
    const rows = new MemoryRows();
    const disk = { full: false, lands: false };
    const store = await openOver(rows, { engine: engineOn(rows, disk) });
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    disk.full = true;
    await expect(store.write(batch({ entries: [command(4, 1)] }))).rejects.toThrow(failed);
    disk.full = false;
    await expect(store.write(batch({ entries: [command(4, 1)] }))).rejects.toThrow(failed);
    await expect(store.readEntries(1, 3, 1)).rejects.toThrow(failed);
    await expect(store.rememberPeerDirectory("b", "1")).rejects.toThrow(failed);
    expect(() => store.stateRow(Buffer.of())).toThrow(failed);
    await store.close();
    expect((await openOver(rows)).recovered.lastIndex).toBe(3);
  });

  test("trap 66: the error is the same for every kind of failure and names the first cause", async () => {
    const rows = new MemoryRows();
    const disk = { full: true, lands: true };
    const store = await openOver(rows, { engine: engineOn(rows, { ...disk, full: false }) });
    await store.close();
    const reopened = await openOver(rows, { engine: engineOn(rows, disk) });
    await expect(reopened.write(batch({ hardState: term(1) }))).rejects.toThrow(/outcome is unknown \(no space left\)/);
    disk.full = false;
    await expect(reopened.write(batch({}))).rejects.toThrow(/no space left/);
    // The write that "failed" is there: its outcome was unknown, not negative.
    expect((await openOver(rows)).recovered.hardState.term).toBe(1);
  });

  test("a peer's directory that could not be written ends the store too", async () => {
    const rows = new MemoryRows();
    const disk = { full: false, lands: false };
    const store = await openOver(rows, { engine: engineOn(rows, disk) });
    disk.full = true;
    await expect(store.rememberPeerDirectory("b", "1")).rejects.toThrow(failed);
    await expect(store.write(batch({}))).rejects.toThrow(failed);
  });

  test("a watermark that cannot be written ends the store, with the next write at the latest", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const timers: (() => void)[] = [];
    const startTimer = (callback: () => void) => {
      timers.push(callback);
      return () => {};
    };
    const store = await openOver(rows, { watermarkFile, startTimer });
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    watermarkFile.failure = new Error("read-only file system");
    for (const run of timers.splice(0)) run();
    await expect(store.write(batch({ truncateFrom: 2 }))).rejects.toThrow(failed);
    await expect(store.write(batch({}))).rejects.toThrow(/read-only file system/);
    await store.close();
  });

  test("an assertion that a batch breaks is no write failure: nothing was written", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await expect(store.write(batch({ entries: [command(5, 0)] }))).rejects.toMatchObject({ name: "AssertionError" });
    await store.write(batch({ hardState: term(1), entries: [command(1, 1)] }));
    expect((await openOver(rows)).recovered.lastIndex).toBe(1);
  });
});
