import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { writeBackup } from "../../src/storage/write-backup.ts";
import { batch, bootstrapConfiguration, commands, openOver, put } from "../storage/store-fixture.ts";
import { cli } from "./fake-cli.ts";

async function backupFile(directory: string): Promise<string> {
  const store = await openOver(new MemoryRows());
  await store.write(batch({ hardState: { term: 1, votedFor: null, commitIndex: 3 }, entries: commands(1, 3, 1) }));
  await store.write(batch({ stateChanges: [put("a", "1")], appliedIndex: 3 }));
  const base = { index: 3, term: 1, configuration: { index: 0, configuration: bootstrapConfiguration } };
  const facts = { clusterId: "00000000000000c1", memberName: "n1", version: "1.2.3", timeMs: 1, base, revision: 1 };
  const snapshot = store.openSnapshot();
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBackup(facts, snapshot)) pieces.push(piece);
  await snapshot.close();
  await store.close();
  const file = join(directory, "backup");
  await writeFile(file, Buffer.concat(pieces));
  return file;
}

test("a restored directory has the engine that the environment gives to members, unless a flag says otherwise", async () => {
  const directory = await mkdtemp(join(tmpdir(), "raftkv-restore-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = await backupFile(directory);
  const restore = async (name: string, env: Record<string, string>, ...flags: string[]) => {
    const to = join(directory, name);
    const member = ["--name", "n1", "--initial-cluster", "n1=localhost:7001"];
    const { code, stderr } = await cli(["backup", "restore", file, "--data-dir", to, ...member, ...flags], { env });
    return code === 0 ? (await readdir(to)).filter((each) => each.startsWith("engine-")) : stderr;
  };
  const env = { RAFTKV_STORAGE_ENGINE: "rocksdb" };
  expect(await restore("plain", {})).toEqual(["engine-classic-level"]);
  expect(await restore("variable", env)).toEqual(["engine-rocksdb"]);
  expect(await restore("flag", env, "--storage-engine", "classic-level")).toEqual(["engine-classic-level"]);
  expect(await restore("wrong", { RAFTKV_STORAGE_ENGINE: "lmdb" })).toContain(
    'RAFTKV_STORAGE_ENGINE is "lmdb": it must be one of classic-level, rocksdb',
  );
});
