import { describe, expect, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { progressRow, readProgress } from "../../src/storage/meta-rows.ts";
import { logKey, metaKeys } from "../../src/storage/row-keys.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { baseAt, rowOf, sourceAt } from "./snapshot-fixture.ts";
import {
  batch,
  command,
  commands,
  configuration,
  contentOf,
  copyOf,
  MemoryWatermarkFile,
  noop,
  openOver,
  put,
  term,
} from "./store-fixture.ts";

/** A small store with a row of every kind. */
async function smallStore(): Promise<MemoryRows> {
  const rows = new MemoryRows();
  const store = await openOver(rows);
  const hardState = { term: 2, votedFor: "00000000000000a2", commitIndex: 3 };
  await store.write(
    batch({ hardState: term(1), entries: [noop(1, 1), command(2, 1, "xy"), configuration(3, 1), command(4, 1)] }),
  );
  await store.write(batch({ hardState, truncateFrom: 4, entries: [command(4, 2)] }));
  await store.write(batch({ stateChanges: [put("a", "1"), put("b", "2"), put("", "")], appliedIndex: 3 }));
  await store.rememberPeerDirectory("00000000000000a2", "e".repeat(32));
  await store.close();
  return rows;
}

/** The same after a compaction, while a snapshot is being installed in the second generation. */
async function installingStore(): Promise<MemoryRows> {
  const rows = await smallStore();
  const store = await openOver(rows);
  const first = await store.beginInstallation(sourceAt(20, 2));
  await first.addRows([rowOf("a", "3"), rowOf("c", "4")]);
  await first.finish(() => {});
  await store.write(batch({ entries: [command(21, 2), command(22, 2)], appliedIndex: 21 }));
  await store.compact(baseAt(21, 2));
  const second = await store.beginInstallation(sourceAt(40, 2));
  await second.addRows([rowOf("a", "5"), rowOf("b", "6")]);
  await new Promise((resolve) => setImmediate(resolve));
  await store.close();
  return rows;
}

/** Everything that an open and a full read give, or the code that they are refused with. */
async function outcome(rows: MemoryRows): Promise<unknown> {
  try {
    const store = await openOver(rows);
    const { recovered, installation } = store;
    const installed: Row[] = [];
    for await (const row of installation?.iterate({ start: Buffer.of(), end: Buffer.of(0xff) }) ?? [])
      installed.push(row);
    return {
      recovered,
      peer: peerOf(store),
      installation: [installation?.source, installation?.type === "rows" && installation.lastKey, installed],
      content: await contentOf(store, recovered.lastIndex),
    };
  } catch (error) {
    if (error instanceof RaftKvError) return error.code;
    throw error;
  }
}

function peerOf(store: MemberStore): unknown {
  return store.peerDirectory("00000000000000a2");
}

/** The rows with one of them replaced, or removed. */
function replaced(rows: MemoryRows, [key]: Row, by?: Row): MemoryRows {
  const copy = copyOf(rows);
  copy.apply({ type: "delete", key });
  if (by !== undefined) copy.apply({ type: "put", key: by[0], value: by[1] });
  return copy;
}

function flipped(bytes: Uint8Array, at: number, bit: number): Uint8Array {
  // Not `slice`: that of a Buffer is a view.
  const copy = Uint8Array.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ (1 << bit);
  return copy;
}

const refusals = ["LOG_CORRUPT", "STATE_CORRUPT"];

describe.each([
  ["a small store", smallStore, 7],
  ["a store that was compacted, and installs a snapshot", installingStore, 5],
] as const)("damage to %s", (_, makeStore, neededRows) => {
  test("trap 65: no flipped bit of any value or key goes unnoticed", async () => {
    const rows = await makeStore();
    const wrong: unknown[] = [];
    let flips = 0;
    for (const row of rows.snapshot()) {
      for (const part of [0, 1] as const) {
        for (let at = 0; at < row[part].length; at += 1) {
          const bad = flipped(row[part], at, (at + part) % 8);
          const result = await outcome(replaced(rows, row, part === 0 ? [bad, row[1]] : [row[0], bad]));
          if (!refusals.includes(String(result))) wrong.push({ row, part, at, result });
          flips += 1;
        }
      }
    }
    expect(flips).toBeGreaterThan(700);
    expect(wrong).toEqual([]);
  });

  test("a value that is cut short or grown is refused", async () => {
    const rows = await makeStore();
    for (const row of rows.snapshot()) {
      for (const value of [
        row[1].subarray(1),
        row[1].subarray(0, -1),
        Buffer.alloc(0),
        Buffer.concat([row[1], Buffer.of(0)]),
      ]) {
        expect(refusals).toContain(await outcome(replaced(rows, row, [row[0], value])));
      }
    }
  });

  test("a missing row is refused, unless it is one of the state or a peer's", async () => {
    const rows = await makeStore();
    const missing = rows
      .snapshot()
      .filter(([key]) => key[0] === 2 || (key[0] === 1 && Buffer.compare(key, metaKeys.installation) !== 0));
    expect(missing).toHaveLength(neededRows);
    for (const row of missing) expect(refusals).toContain(await outcome(replaced(rows, row)));
  });
});

describe("damage", () => {
  test("a message names the index and what is wrong", async () => {
    const rows = await smallStore();
    const [second, third] = [2, 3].map((index) => ({
      key: logKey(index),
      value: rows.get(logKey(index)) ?? Buffer.of(),
    }));
    const hole = copyOf(rows);
    hole.apply({ type: "delete", key: logKey(2) });
    await expect(openOver(hole)).rejects.toThrow("log entry 2 is damaged: it is missing, 3 comes next");
    const swap = copyOf(rows);
    swap.apply({ type: "put", key: logKey(2), value: third?.value ?? Buffer.of() });
    await expect(openOver(swap)).rejects.toThrow("log entry 2 is damaged: entry 3 stands in its place");
    const cut = copyOf(rows);
    cut.apply({ type: "delete", key: logKey(4) });
    await expect(openOver(cut)).rejects.toThrow("log entry 4 is damaged: it is missing, the log should end at 4");
    expect(second).toBeDefined();
  });

  test("a record that was overwritten in the meantime does not pass for its successor", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    const stale = rows.get(logKey(2))?.slice() ?? Buffer.of();
    await store.write(batch({ truncateFrom: 2, entries: [command(2, 1, "other"), command(3, 1), command(4, 1)] }));
    rows.apply({ type: "put", key: logKey(2), value: stale });
    await expect(openOver(rows)).rejects.toThrow(
      "log entry 3 is damaged: it does not follow the entry that stands before it",
    );
  });

  test("a record of another directory does not fit, though it is the same entry", async () => {
    const [ours, theirs] = [new MemoryRows(), new MemoryRows()];
    for (const [rows, id] of [
      [ours, "a"],
      [theirs, "b"],
    ] as const) {
      const store = await openOver(rows, { newDirectoryId: () => id.repeat(32) });
      await store.write(batch({ hardState: term(1), entries: commands(1, 1, 1) }));
    }
    ours.apply({ type: "put", key: logKey(1), value: theirs.get(logKey(1)) ?? Buffer.of() });
    await expect(openOver(ours)).rejects.toThrow("log entry 1 is damaged: it does not follow");
  });

  test("a store whose engine fell back to an earlier batch is refused for its watermark", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const store = await openOver(rows, { watermarkFile });
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    const early = copyOf(rows);
    await store.write(batch({ entries: commands(4, 6, 1) }));
    await store.close();
    await expect(openOver(early, { watermarkFile })).rejects.toMatchObject({
      code: "LOG_CORRUPT",
      message: "the log was durable to 6, the directory holds only 3; do not delete the directory, replace the member",
    });
    expect((await openOver(rows, { watermarkFile })).recovered.lastIndex).toBe(6);
  });

  test("a lost vote, or lost state rows, are noticed though the log is whole", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const store = await openOver(rows, { watermarkFile });
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    const early = copyOf(rows);
    await store.write(batch({ hardState: { term: 1, votedFor: "00000000000000a2", commitIndex: 0 } }));
    await store.close();
    await expect(openOver(early, { watermarkFile })).rejects.toThrow("the sequence of writes was durable to 2");
  });

  test("an entry that differs from the one at the watermark is refused", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const store = await openOver(rows);
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    await store.write(batch({}));
    const tail = { index: 2, term: 1, checksum: 12345 };
    await watermarkFile.write({ writes: 1, tail, hardStateTerm: 1 });
    await expect(openOver(rows, { watermarkFile })).rejects.toThrow(
      "entry 2 was durable with term 1, the directory holds",
    );
  });

  test("trap 28: an engine that came back empty is refused, and so is a watermark that is gone", async () => {
    const rows = new MemoryRows();
    const watermarkFile = new MemoryWatermarkFile();
    const store = await openOver(rows, { watermarkFile });
    await store.write(batch({ hardState: term(1) }));
    await store.close();
    await expect(openOver(new MemoryRows(), { watermarkFile })).rejects.toThrow(
      /durable to write 1 .*the engine is empty/,
    );
    const none = new MemoryWatermarkFile();
    await expect(openOver(rows, { watermarkFile: none })).rejects.toThrow("the watermark of this directory is missing");
  });

  test("a state that ends before the log begins is refused: nothing could bring it up to there", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await store.write(batch({ hardState: term(1), entries: commands(1, 9, 1), appliedIndex: 7 }));
    const early = readProgress(rows.get(metaKeys.progress) ?? Buffer.of());
    await store.compact(baseAt(6, 1));
    await store.close();
    for (const [appliedIndex, refused] of [
      [6, false],
      [5, true],
    ] as const) {
      const copy = copyOf(rows);
      copy.apply(progressRow({ ...early, appliedIndex }));
      const opening = openOver(copy);
      if (refused) await expect(opening).rejects.toThrow("the applied index is 5, the log begins after 6");
      else expect((await opening).recovered.appliedIndex).toBe(6);
    }
  });

  test("a crash while a store is made leaves something that the next open makes whole", async () => {
    const watermarkFile = new MemoryWatermarkFile();
    const rows = new MemoryRows();
    const failing = { rows, failure: new Error("crash") };
    await expect(
      openOver(rows, {
        watermarkFile,
        newDirectoryId: () => {
          throw failing.failure;
        },
      }),
    ).rejects.toThrow("crash");
    await watermarkFile.write({ writes: 0, tail: { index: 0, term: 0, checksum: 7 }, hardStateTerm: 0 });
    const store = await openOver(rows, { watermarkFile });
    await store.write(batch({ hardState: term(1), entries: commands(1, 1, 1) }));
    await store.close();
    expect((await openOver(rows, { watermarkFile })).recovered.lastIndex).toBe(1);
  });
});
