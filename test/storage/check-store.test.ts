import { readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { checkStore, damagesMax } from "../../src/storage/check-store.ts";
import { convertStore } from "../../src/storage/convert-store.ts";
import { type DumpedRow, dumpStore } from "../../src/storage/dump-store.ts";
import { engineDirectory, openEngine } from "../../src/storage/engine-directory.ts";
import { forceNewCluster } from "../../src/storage/force-new-cluster.ts";
import { logKey, metaKeys, stateKey } from "../../src/storage/row-keys.ts";
import type { RowChange, StorageEngine } from "../../src/storage/storage-engine.ts";
import { cli } from "../cli/fake-cli.ts";
import { batch, commands, newDirectory, openIn, put } from "./store-fixture.ts";

const divergence = { index: 20, hash: "a".repeat(64), majorityHash: "b".repeat(64) };

async function filled(): Promise<string> {
  const directory = await newDirectory();
  const store = await openIn(directory);
  await store.write(batch({ hardState: { term: 2, votedFor: null, commitIndex: 20 }, entries: commands(1, 20, 2) }));
  await store.write(batch({ stateChanges: [put("a", "1"), put("b", "2"), put("c", "3")], appliedIndex: 20 }));
  await store.rememberPeerDirectory("00000000000000a2", "e".repeat(32));
  await store.close();
  return directory;
}

/** Changes rows behind the store's back. */
async function change(directory: string, changesOf: (engine: StorageEngine) => RowChange[]): Promise<void> {
  const engine = await openEngine("classic-level", engineDirectory(directory, "classic-level"));
  await engine.write(changesOf(engine));
  await engine.close();
}

function flipped(engine: StorageEngine, key: Uint8Array): RowChange {
  const value = Buffer.from(engine.get(key) ?? Buffer.alloc(0));
  value[value.length - 1] = (value.at(-1) ?? 0) ^ 0x10;
  return { type: "put", key, value };
}

describe("a check of a store", () => {
  test("finds nothing in one that is whole, and says how far it has come", async () => {
    const directory = await filled();
    const { damages, store, logRecords, stateRows, engine } = await checkStore(directory);
    expect(damages).toEqual([]);
    expect({ logRecords, stateRows, engine }).toEqual({ logRecords: 20, stateRows: 3, engine: "classic-level" });
    expect(store?.recovered).toMatchObject({ lastIndex: 20, appliedIndex: 20, hardState: { term: 2 } });
  });

  test("tells the first of very many damages, and how many more there are", async () => {
    const directory = await filled();
    const strange = Array.from({ length: damagesMax + 5 }, (_, at) => Buffer.from(`strange ${at}`));
    await change(directory, () =>
      strange.map((key) => ({ type: "put", key: stateKey(0, key), value: Buffer.from("no checksum") })),
    );
    const { damages, moreDamages, stateRows } = await checkStore(directory);
    expect([damages.length, moreDamages, stateRows]).toEqual([damagesMax, 5, 3 + damagesMax + 5]);
    const { code, stdout } = await cli(["storage", "check", directory]);
    const lines = stdout.split("\n");
    expect([code, lines.filter((line) => line.startsWith("DAMAGED")).length]).toEqual([1, damagesMax]);
    expect(lines).toEqual(expect.arrayContaining(["and 5 more", `${damagesMax + 5} damages; replace the member`]));
  });

  test("tells of a state that was found to be wrong, which no recovery begins with", async () => {
    const directory = await filled();
    const store = await openIn(directory);
    expect(store.divergence).toBeUndefined();
    await store.markDiverged(divergence);
    await store.close();
    const { damages } = await checkStore(directory);
    expect(damages).toEqual([expect.stringContaining("differ from that of the majority at index 20")]);
    const refused = { code: "STATE_CORRUPT", message: expect.stringContaining("at index 20") };
    await expect(forceNewCluster(directory)).rejects.toMatchObject(refused);
    const rows: DumpedRow[] = [];
    await dumpStore(directory, { spaces: ["meta"], from: 1, to: 1, limit: 100 }, (row) => void rows.push(row));
    expect(rows).toContainEqual({ space: "meta", name: "divergence", content: divergence });
    const again = await openIn(directory);
    expect(again.divergence).toEqual(divergence);
    await again.write(batch({ entries: commands(21, 22, 2) }));
  });

  test("tells that the watermark is missing, without which nothing starts or is made of the directory", async () => {
    const directory = await filled();
    await rm(join(directory, "durable-watermark"));
    const missing = "the watermark of this directory is missing";
    expect((await checkStore(directory)).damages).toEqual([expect.stringContaining(missing)]);
    await expect(forceNewCluster(directory)).rejects.toThrow(missing);
    await expect(convertStore(directory, "rocksdb")).rejects.toThrow(missing);
    await expect(openIn(directory)).rejects.toThrow(missing);
    expect(await readdir(directory)).toEqual(["engine-classic-level"]);
  });

  test("tells everything that is damaged, not only the first", async () => {
    const directory = await filled();
    await change(directory, (engine) => [
      flipped(engine, logKey(3)),
      { type: "delete", key: logKey(7) },
      { type: "delete", key: logKey(8) },
      flipped(engine, logKey(20)),
      flipped(engine, stateKey(0, Buffer.from("b"))),
      flipped(engine, metaKeys.hardState),
    ]);
    const { damages } = await checkStore(directory);
    const found = damages.map((what) => what.replace(/;.*/, "").replace(/\(key [0-9a-f]+\)/, "(key)"));
    expect(found).toEqual([
      "hard state row (key) is damaged: its checksum does not match",
      "log entry 3 is damaged: its checksum does not match",
      "log entries 7 to 8 are missing",
      "log entry 20 is damaged: its checksum does not match",
      "state row (key) is damaged: its checksum does not match",
    ]);
  });

  test("goes on behind a record that only does not follow the one before", async () => {
    const directory = await filled();
    const other = await filled();
    const stranger = await openEngine("classic-level", engineDirectory(other, "classic-level"));
    const value = stranger.get(logKey(5)) ?? Buffer.alloc(0);
    await stranger.close();
    await change(directory, () => [{ type: "put", key: logKey(5), value }]);
    const { damages } = await checkStore(directory);
    expect(damages.map((what) => what.replace(/;.*/, ""))).toEqual([
      "log entry 5 is damaged: it does not follow the entry that stands before it (4)",
      "log entry 6 is damaged: it does not follow the entry that stands before it (5)",
    ]);
  });

  test("is refused while the member runs, and where there is no store", async () => {
    const directory = await newDirectory();
    await expect(checkStore(directory)).rejects.toThrow(`${directory} holds no store of a known engine`);
    const store = await openIn(join(directory, "member"));
    await expect(checkStore(join(directory, "member"))).rejects.toMatchObject({ code: "DIRECTORY_LOCKED" });
    await store.close();
  });
});

describe("a dump of a store", () => {
  async function dump(directory: string, from = 1): Promise<DumpedRow[]> {
    const rows: DumpedRow[] = [];
    const spaces = ["meta", "peer", "log", "state"] as const;
    await dumpStore(directory, { spaces, from, to: 19, limit: 100 }, (row) => rows.push(row));
    return rows;
  }

  test("has every kind of row", async () => {
    const rows = await dump(await filled(), 18);
    expect(rows.map((row) => ("name" in row ? row.name : row.space))).toEqual([
      ...["identity", "hardState", "progress", "peer"],
      ...["log", "log", "state", "state", "state"],
    ]);
    expect(rows.at(4)).toMatchObject({ entry: { kind: "command", index: 18, term: 2 } });
    const [key, value] = ["c", "3"].map((each) => new TextEncoder().encode(each));
    expect(rows.at(-1)).toMatchObject({ generation: 0, key, value });
  });

  test("tells what is damaged in its place, and goes on", async () => {
    const directory = await filled();
    await change(directory, (engine) => [flipped(engine, logKey(18)), flipped(engine, metaKeys.progress)]);
    const damaged = (await dump(directory, 18)).flatMap((row) => ("damaged" in row ? [row] : []));
    expect(damaged.map(({ space }) => space)).toEqual(["meta", "log"]);
    expect(damaged[1]?.damaged).toContain("log entry 18 is damaged");
  });
});
