import type * as FileSystem from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test, vi } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type * as EngineDirectory from "../../src/storage/engine-directory.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { restoreStore } from "../../src/storage/restore-store.ts";
import { writeBackup } from "../../src/storage/write-backup.ts";
import { Crashes, type Pass, readdirOrNone } from "./directory-crashes.ts";
import { batch, bootstrapConfiguration, commands, newDirectory, openIn, openOver, put } from "./store-fixture.ts";

const storage = vi.hoisted((): { pass: Pass } => ({ pass: (_call, act) => act() }));

vi.mock("node:fs/promises", async (importOriginal) => {
  const original = await importOriginal<typeof FileSystem>();
  const open: typeof original.open = async (path, ...rest) => {
    const handle = await original.open(path, ...rest);
    const sync = handle.sync.bind(handle);
    const datasync = handle.datasync.bind(handle);
    const writeFile = handle.writeFile.bind(handle);
    handle.sync = () => storage.pass(`sync ${String(path)}`, sync);
    handle.datasync = () => storage.pass(`datasync ${String(path)}`, datasync);
    handle.writeFile = (...content) => storage.pass(`fill ${String(path)}`, () => writeFile(...content));
    return handle;
  };
  const mkdir = (path: string, options: { mode: number }) =>
    storage.pass(`make ${path}`, () => original.mkdir(path, options));
  const rename = (from: string, to: string) => storage.pass(`rename ${from} ${to}`, () => original.rename(from, to));
  const rm: typeof original.rm = (path, options) =>
    storage.pass(`remove ${String(path)}`, () => original.rm(path, options));
  return { ...original, open, mkdir, rename, rm };
});

vi.mock("../../src/storage/engine-directory.ts", async (importOriginal) => {
  const original = await importOriginal<typeof EngineDirectory>();
  const openEngine: typeof original.openEngine = async (name, directory) => {
    const engine = await original.openEngine(name, directory);
    return {
      name: engine.name,
      get: (key) => engine.get(key),
      iterate: (range, options) => engine.iterate(range, options),
      clear: (range, options) => engine.clear(range, options),
      snapshot: () => engine.snapshot(),
      write: (changes) => storage.pass("write rows", () => engine.write(changes)),
      close: () => storage.pass("close", () => engine.close()),
    };
  };
  return { ...original, openEngine };
});

beforeEach(() => {
  storage.pass = (_call, act) => act();
});

const owner = { clusterId: "00000000000000ff", memberId: "00000000000000f1" };
const configuration = votersOnly([{ id: owner.memberId, name: "r1", peerAddress: "r1.example:7001" }]);
const bootstrapped = { ...owner, bootstrapConfiguration: { ...configuration, voters: [] } };
const rowCount = 1_200;
const facts = {
  clusterId: "00000000000000c1",
  memberName: "n1",
  version: "1.2.3",
  timeMs: 1_700_000_000_000,
  base: { index: 20, term: 3, configuration: { index: 0, configuration: bootstrapConfiguration } },
  revision: 17,
};

async function backup(): Promise<Uint8Array[]> {
  const store = await openOver(new MemoryRows());
  await store.write(batch({ hardState: { term: 3, votedFor: null, commitIndex: 20 }, entries: commands(1, 20, 3) }));
  const stateChanges = Array.from({ length: rowCount }, (_, at) => put(`key ${at}`, `value ${at}`));
  await store.write(batch({ stateChanges, appliedIndex: 20 }));
  const snapshot = store.openSnapshot();
  const pieces: Uint8Array[] = [];
  for await (const piece of writeBackup(facts, snapshot)) pieces.push(piece);
  await snapshot.close();
  await store.close();
  return pieces;
}

async function* inPieces(pieces: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* pieces;
}

test.each(["classic-level", "rocksdb"] as const)(
  "a restore that dies at any storage call leaves all of the member, or nothing that starts as one (%s)",
  { timeout: 120_000 },
  async (engineName) => {
    const live = await newDirectory();
    const pieces = await backup();
    const options = { engineName, ...owner, configuration, logger: silentLogger };
    const crashes = new Crashes(live, await newDirectory());
    storage.pass = crashes.pass;
    await restoreStore(inPieces(pieces), { ...options, directory: join(live, "data") });
    storage.pass = (_call, act) => act();
    const repeated = new Set<string>();
    const outcomes = { nothing: 0, refused: 0, whole: 0 };
    for (const { where, directory } of crashes.left) {
      const data = join(directory, "data");
      const outcome = await look(data, engineName, where);
      outcomes[outcome]++;
      const kind = where.split(" ", 2).join(" ");
      if (outcome === "whole" || repeated.has(kind)) continue;
      repeated.add(kind);
      await restoreStore(inPieces(pieces), { ...options, directory: data });
      expect(await look(data, engineName, where), `${where}, restored again`).toBe("whole");
    }
    expect(Math.min(...Object.values(outcomes)), JSON.stringify(outcomes)).toBeGreaterThan(0);
    const struck = new Set(crashes.left.map(({ where }) => where.split(" ", 2)[1]));
    expect([...struck]).toEqual(expect.arrayContaining(["write", "rename", "make", "sync", "remove", "fill", "close"]));
  },
);

/** What a member finds that is started on what a crash left. */
async function look(data: string, engineName: "classic-level" | "rocksdb", where: string) {
  if (readdirOrNone(data).length === 0) return "nothing";
  try {
    const store = await openIn(data, { engineName, ...bootstrapped });
    const { logBase, appliedIndex, hardState } = store.recovered;
    expect([logBase, appliedIndex, hardState.term], where).toEqual([{ index: 20, term: 3 }, 20, 3]);
    let rows = 0;
    for await (const _row of store.iterateState({ start: Buffer.of(), end: Buffer.of(0xff) })) rows++;
    expect(rows, where).toBe(rowCount);
    await store.close();
    return "whole";
  } catch (error) {
    expect(error, where).toMatchObject({
      code: "DIRECTORY_MISMATCH",
      message: expect.stringContaining("holds part of a restore that was cut short; run it again"),
    });
    return "refused";
  }
}
