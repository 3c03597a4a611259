import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { checkBackupTarget, writeBackupFile } from "../../src/cli/backup-file.ts";
import { createProcessHost } from "../../src/cli/process-host.ts";
import { ProgressLine } from "../../src/cli/progress-line.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { writeBackup } from "../../src/storage/write-backup.ts";
import { batch, bootstrapConfiguration, commands, openOver, put } from "../storage/store-fixture.ts";
import { cli, FakeProcess } from "./fake-cli.ts";

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

test("a restore takes the tokens that a member takes", async () => {
  const directory = await temporary();
  const file = await backupFile(directory);
  const line = ["backup", "restore", file, "--data-dir", join(directory, "n1"), "--name", "n1"];
  line.push("--initial-cluster", "n1=localhost:7001");
  const empty = await cli([...line, "--cluster-token", ""]);
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining("it must not be empty") });
  const long = await cli(line, { env: { RAFTKV_CLUSTER_TOKEN: "x".repeat(129) } });
  expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining("it has 129 characters; the limit is 128") });
  expect(await readdir(directory)).toEqual(["backup"]);
});

test("two backups that are saved to one file at the same time are both whole", async () => {
  const directory = await temporary();
  const bytes = await readFile(await backupFile(directory));
  const file = join(directory, "saved");
  let goOn = () => {};
  const held = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const slowly = async function* () {
    yield bytes.subarray(0, 100);
    await held;
    yield bytes.subarray(100);
  };
  const first = save(file, slowly());
  const second = save(file, pieces(bytes));
  expect((await second).facts.revision).toBe(1);
  expect(await readFile(file)).toEqual(bytes);
  goOn();
  expect((await first).facts.revision).toBe(1);
  expect((await readdir(directory)).sort()).toEqual(["backup", "saved"]);
});

test("a save that is told to stop leaves nothing, though the member sends nothing more", async () => {
  const directory = await temporary();
  const process = new FakeProcess();
  const never = async function* () {
    yield Buffer.from("RAFTKVBK");
    await new Promise(() => {});
  };
  void save(join(directory, "saved"), never(), process);
  await expect.poll(() => readdir(directory)).toHaveLength(1);
  process.emit("SIGINT", "SIGINT");
  await expect.poll(() => process.exits).toEqual([130]);
  expect(await readdir(directory)).toEqual([]);
});

test("a backup takes the place of a file, and of nothing else", async () => {
  const directory = await temporary();
  await mkdir(join(directory, "there"));
  const refused = { code: 2, stderr: expect.stringContaining("is no plain file; a backup is saved as one") };
  for (const file of ["/dev/null", join(directory, "there")])
    expect(await cli(["backup", "save", file, "--endpoints", "127.0.0.1:1"])).toMatchObject(refused);
  await writeFile(join(directory, "old"), "");
  await checkBackupTarget(join(directory, "old"));
  await checkBackupTarget(join(directory, "new"));
});

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "raftkv-backup-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  return directory;
}

async function* pieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

function save(file: string, from: AsyncIterable<Uint8Array>, process = new FakeProcess()) {
  const progress = new ProgressLine({ write: () => {} }, "verified");
  return writeBackupFile(file, from, progress, createProcessHost(process));
}
