import { mkdir, readdir, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import { type BackupFacts, encodeFrame, encodeRows, frameKinds } from "../../src/storage/backup-format.ts";
import type { EngineName } from "../../src/storage/engine-directory.ts";
import { forceNewCluster, storePosition } from "../../src/storage/force-new-cluster.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { readBackup } from "../../src/storage/read-backup.ts";
import { restoreStore } from "../../src/storage/restore-store.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { writeBackup } from "../../src/storage/write-backup.ts";
import {
  batch,
  bootstrapConfiguration,
  commands,
  configuration,
  newDirectory,
  openIn,
  openOver,
  put,
} from "./store-fixture.ts";

const base = { index: 20, term: 3, configuration: { index: 0, configuration: bootstrapConfiguration } };
const facts: BackupFacts = {
  clusterId: "00000000000000c1",
  memberName: "n1",
  version: "1.2.3",
  timeMs: 1_700_000_000_000,
  base,
  revision: 17,
};

async function backupOf(rowCount: number): Promise<Buffer> {
  const store = await openOver(new MemoryRows());
  await store.write(batch({ hardState: { term: 3, votedFor: null, commitIndex: 20 }, entries: commands(1, 20, 3) }));
  const stateChanges = Array.from({ length: rowCount }, (_, at) => put(`key ${at}`, `value ${at}`));
  await store.write(batch({ stateChanges, appliedIndex: 20 }));
  const snapshot = store.openSnapshot();
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBackup(facts, snapshot)) pieces.push(piece);
  await snapshot.close();
  await store.close();
  return Buffer.concat(pieces);
}

async function* piecesOf(file: Buffer, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < file.length; at += size) yield file.subarray(at, at + size);
}

describe("a backup", () => {
  test("is read as it was written, however it is cut into pieces", async () => {
    const file = await backupOf(50);
    for (const size of [1, 7, 1000, 1 << 20]) {
      const rows: Row[] = [];
      const found = await readBackup(piecesOf(file, size), { rows: async (more) => void rows.push(...more) });
      expect(found.facts).toEqual(facts);
      expect(found.totals.rows).toBe(50);
      expect(rows.map(([key, value]) => [String(Buffer.from(key)), String(Buffer.from(value))])).toContainEqual([
        "key 7",
        "value 7",
      ]);
    }
  });

  test("of an empty state is whole too", async () => {
    expect((await readBackup(piecesOf(await backupOf(0)))).totals).toEqual({ rows: 0, bytes: 0 });
  });

  test("of a member that has applied nothing is refused: no cluster begins with it", async () => {
    const store = await openOver(new MemoryRows());
    const pieces = writeBackup({ ...facts, base: { ...base, index: 0, term: 0 } }, store.openSnapshot());
    const refusal = { code: "BACKUP_CORRUPT", message: expect.stringContaining("the backup holds no state") };
    await expect(readBackup(pieces)).rejects.toMatchObject(refusal);
    await store.close();
  });

  test("is refused when any byte of it is another, and tells where", async () => {
    const file = await backupOf(3);
    for (let at = 0; at < file.length; at++) {
      const damaged = Buffer.from(file);
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (at % 8));
      await expect(readBackup(piecesOf(damaged)), `byte ${at}`).rejects.toMatchObject({
        code: "BACKUP_CORRUPT",
        message: expect.stringMatching(/^the backup is damaged at byte \d+: /),
      });
    }
  });

  test("is refused when it ends anywhere before its end, or goes on", async () => {
    const file = await backupOf(3);
    for (let length = 0; length < file.length; length++) {
      await expect(readBackup(piecesOf(file.subarray(0, length))), `${length} bytes`).rejects.toMatchObject({
        code: "BACKUP_CORRUPT",
      });
    }
    const longer = Buffer.concat([file, encodeFrame(frameKinds.rows, encodeRows([]))]);
    await expect(readBackup(piecesOf(longer))).rejects.toThrow("something follows its last frame");
  });

  test("is refused when a whole frame is missing, twice there, or out of order", async () => {
    const file = await backupOf(3);
    const frames: Buffer[] = [];
    for (let at = 8; at < file.length; at += 9 + file.readUInt32BE(at + 5)) {
      frames.push(file.subarray(at, at + 9 + file.readUInt32BE(at + 5)));
    }
    const [header, rows, trailer] = frames;
    if (header === undefined || rows === undefined || trailer === undefined) throw new Error("three frames");
    for (const wrong of [
      [header, trailer],
      [header, rows, rows, trailer],
      [rows, header, trailer],
      [header, header],
    ]) {
      const pieces = piecesOf(Buffer.concat([file.subarray(0, 8), ...wrong]));
      await expect(readBackup(pieces)).rejects.toMatchObject({ code: "BACKUP_CORRUPT" });
    }
  });
});

describe("restoring", () => {
  const owner = { clusterId: "00000000000000ff", memberId: "00000000000000f1" };
  const restored = votersOnly([{ id: owner.memberId, name: "r1", peerAddress: "r1.example:7001" }]);
  const engines: readonly EngineName[] = ["classic-level", "rocksdb"];

  test.each(engines)(
    "makes a directory that goes on from where the backup stands (%s)",
    { timeout: 30_000 },
    async (engineName) => {
      const directory = join(await newDirectory(), "restored");
      const options = { directory, engineName, ...owner, configuration: restored, logger: silentLogger };
      const { totals } = await restoreStore(piecesOf(await backupOf(500)), options);
      expect(totals.rows).toBe(500);
      const store = await openIn(directory, {
        engineName,
        ...owner,
        bootstrapConfiguration: { ...restored, voters: [] },
      });
      expect(store.recovered).toMatchObject({
        hardState: { term: 3, votedFor: null, commitIndex: 20 },
        logBase: { index: 20, term: 3 },
        baseConfiguration: { index: 20, configuration: restored },
        lastIndex: 20,
        appliedIndex: 20,
      });
      expect(Buffer.from(store.stateRow(Buffer.from("key 7")) ?? []).toString()).toBe("value 7");
      await store.write(
        batch({ hardState: { term: 4, votedFor: null, commitIndex: 20 }, entries: commands(21, 22, 4) }),
      );
    },
  );

  test("leaves nothing behind when the backup is damaged, and touches no directory that is in use", async () => {
    const parent = await newDirectory();
    const directory = join(parent, "restored");
    const options = {
      directory,
      engineName: "classic-level",
      ...owner,
      configuration: restored,
      logger: silentLogger,
    } as const;
    const file = await backupOf(500);
    await expect(restoreStore(piecesOf(file.subarray(0, file.length - 1)), options)).rejects.toMatchObject({
      code: "BACKUP_CORRUPT",
    });
    expect(await readdir(parent)).toEqual([]);
    await mkdir(directory);
    await writeFile(join(directory, "mine"), "");
    await expect(restoreStore(piecesOf(file), options)).rejects.toThrow(`${directory} is not empty`);
    expect(await readdir(directory)).toEqual(["mine"]);
    await rm(directory, { recursive: true });
    async function* usedMeanwhile(): AsyncGenerator<Uint8Array> {
      yield* piecesOf(file.subarray(0, 100));
      await expect(openIn(directory)).rejects.toMatchObject({ code: "DIRECTORY_LOCKED" });
      await writeFile(join(directory, "mine"), "");
      yield* piecesOf(file.subarray(100, file.length - 1));
    }
    await expect(restoreStore(usedMeanwhile(), options)).rejects.toMatchObject({ code: "BACKUP_CORRUPT" });
    expect([await readdir(parent), await readdir(directory)]).toEqual([["restored"], ["mine"]]);
  });

  test.each(engines)(
    "cut short is refused at a start, and replaced by another run (%s)",
    { timeout: 60_000 },
    async (engineName) => {
      const directory = await newDirectory();
      const options = { directory, engineName, ...owner, configuration: restored, logger: silentLogger };
      const bootstrapped = { ...owner, bootstrapConfiguration: { ...restored, voters: [] } };
      const file = await backupOf(50);
      // A new file system has one of these, and it is nobody's store.
      await mkdir(join(directory, "lost+found"));
      const [engine, watermark] = [`engine-${engineName}`, "durable-watermark"];
      const [staged, placed] = [
        (name: string) => join(directory, "restoring", name),
        (name: string) => join(directory, name),
      ];
      // The steps of moving a store into its place, undone from the end.
      const undo = [() => rename(placed(engine), staged(engine)), () => rename(placed(watermark), staged(watermark))];
      for (let undone = 0; undone <= undo.length; undone++) {
        await restoreStore(piecesOf(file), options);
        await mkdir(staged(""));
        for (const step of undo.slice(0, undone)) await step();
        if (undone === 0) {
          // It has its place already: only the empty directory was left.
          await expect(restoreStore(piecesOf(file), options)).rejects.toThrow(`${directory} is not empty`);
          const store = await openIn(directory, { engineName, ...bootstrapped });
          expect(Buffer.from(store.stateRow(Buffer.from("key 7")) ?? []).toString()).toBe("value 7");
          await store.close();
          for (const name of [engine, watermark, "restoring"]) await rm(placed(name), { recursive: true });
        } else {
          await expect(openIn(directory, { engineName, ...bootstrapped })).rejects.toMatchObject({
            code: "DIRECTORY_MISMATCH",
            message: `${directory} holds part of a restore that was cut short; run it again`,
          });
        }
      }
      await restoreStore(piecesOf(file), options);
      expect((await readdir(directory)).sort()).toEqual([watermark, engine, "lost+found"]);
    },
  );
});

describe("forcing a new cluster", () => {
  test("keeps the log, and makes its member the only voter of another cluster", async () => {
    const directory = await newDirectory();
    const before = await openIn(directory);
    const entries = [...commands(1, 9, 2), configuration(10, 2), ...commands(11, 12, 2)];
    await before.write(batch({ hardState: { term: 2, votedFor: null, commitIndex: 0 }, entries }));
    await before.write(
      batch({
        hardState: { term: 4, votedFor: "00000000000000a2", commitIndex: 8 },
        stateChanges: [put("a", "1")],
        appliedIndex: 8,
      }),
    );
    await before.close();
    expect(await storePosition(directory)).toEqual({
      clusterId: "00000000000000c1",
      memberName: "n1",
      term: 4,
      lastTerm: 2,
      lastIndex: 12,
      commitIndex: 8,
    });
    const { clusterId, uncommittedEntries } = await forceNewCluster(directory);
    expect(uncommittedEntries).toBe(4);
    await expect(openIn(directory)).rejects.toMatchObject({ code: "DIRECTORY_MISMATCH" });
    const own = votersOnly([{ id: "00000000000000a1", name: "n1", peerAddress: "n1.example:7001" }]);
    const store = await openIn(directory, { clusterId, bootstrapConfiguration: { ...own, voters: [] } });
    expect(store.recovered).toMatchObject({
      hardState: { term: 4, votedFor: null, commitIndex: 8 },
      logBase: { index: 0, term: 0 },
      baseConfiguration: { index: 0, configuration: bootstrapConfiguration },
      lastIndex: 13,
      appliedIndex: 8,
    });
    expect(store.recovered.configurationEntries.map(({ index }) => index)).toEqual([10, 13]);
    expect(store.recovered.configurationEntries.at(-1)?.configuration).toEqual(own);
    expect(await store.readEntries(12, 13, 1000)).toMatchObject([{ kind: "command" }, { term: 4 }]);
  });

  test("gives another cluster id each time, so that two of them never meet", async () => {
    const directory = await newDirectory();
    await (await openIn(directory)).close();
    const first = await forceNewCluster(directory);
    const second = await forceNewCluster(directory);
    expect(second.before.clusterId).toBe(first.clusterId);
    expect(second.clusterId).not.toBe(first.clusterId);
  });
});
