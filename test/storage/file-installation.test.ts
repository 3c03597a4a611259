import { describe, expect, onTestFinished, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import type { FilesInstallation, InstallationSource } from "../../src/storage/installation.ts";
import type { MemberStore, StateFiles } from "../../src/storage/member-store.ts";
import { metaKeys, stateKey } from "../../src/storage/row-keys.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { MemoryDirectory, openMemoryHome } from "./memory-home.ts";
import { fill, keyOf, rowsOf, snapshotRows, sourceAt, stateOf, text } from "./snapshot-fixture.ts";
import { batch, command, commands, MemoryWatermarkFile, openOver, plainEntry, put, term } from "./store-fixture.ts";

const everything = Number.MAX_SAFE_INTEGER;
const nothing = (): void => {};
const senderId = "00000000000000a2";

/** A data directory of a memory engine, with its watermark. */
class Member {
  readonly directory = new MemoryDirectory();
  readonly watermarkFile = new MemoryWatermarkFile();
  readonly memberId: string;

  constructor(memberId = "00000000000000a1") {
    this.memberId = memberId;
  }

  async open(clusterId?: string): Promise<MemberStore> {
    const { memberId, directory, watermarkFile } = this;
    const newDirectoryId = (): string => memberId.repeat(2);
    const options = { ...openMemoryHome(directory), memberId, watermarkFile, newDirectoryId };
    const store = await openOver(directory.rows, clusterId === undefined ? options : { ...options, clusterId });
    onTestFinished(() => store.close().catch(nothing));
    return store;
  }

  /** The same as a crash at this moment leaves it. */
  async afterCrash(): Promise<MemberStore> {
    this.directory.before = nothing;
    return this.open();
  }
}

async function filesOf(store: MemberStore): Promise<StateFiles> {
  return (await store.openFiles()) ?? expect.fail("the store has files");
}

/** A member with entries 1 to 50 of term 1, of which the first 30 are compacted, and 40 applied rows. */
async function sender(): Promise<MemberStore> {
  const store = await new Member(senderId).open();
  await fill(store, 50, 40);
  await store.compact(sourceAt(30, 1).base);
  await store.rememberPeerDirectory("00000000000000a1", "e".repeat(32));
  return store;
}

async function begin(store: MemberStore, from: StateFiles, source: InstallationSource): Promise<FilesInstallation> {
  return store.beginFileInstallation(source, from.files.files);
}

/** Brings what is missing, some bytes at a time. */
async function receive(installation: FilesInstallation, { files }: StateFiles, pieceBytes = 300): Promise<void> {
  while (installation.bytes < installation.totalBytes)
    await installation.addBytes(await files.read(installation.bytes, pieceBytes));
}

async function install(store: MemberStore, from: StateFiles): Promise<void> {
  const installation = await begin(store, from, sourceAt(from.appliedIndex, 1));
  await receive(installation, from);
  expect(await installation.complete()).toBeUndefined();
  await installation.finish(nothing);
}

const sent = rowsOf(1, 40, "value").map(text);

describe("installing a snapshot in files", () => {
  test("turns state, log and indexes over at once, and keeps what is the member's own", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const store = await member.open();
    await fill(store, 5, 3);
    await store.rememberPeerDirectory(senderId, "f".repeat(32));
    const { identity } = store;
    const installation = await begin(store, files, sourceAt(40, 1));
    await receive(installation, files);
    expect(await stateOf(store)).toHaveLength(3);
    expect(await installation.complete()).toBeUndefined();
    const rows: string[] = [];
    for await (const row of installation.iterate({ start: Buffer.of(), end: Buffer.of(0xff) })) rows.push(text(row));
    expect(rows).toEqual(sent);
    const seen: unknown[] = [];
    await installation.finish(() => seen.push(store.stateRow(Buffer.from(keyOf(40)))?.length, store.logFirstIndex));
    expect(seen).toEqual(["value 40".length, 41]);
    expect(store.installation).toBeUndefined();
    await expect(store.readEntries(41, 41, everything)).rejects.toMatchObject({ code: "LOG_RANGE" });
    await store.write(batch({ hardState: term(2, 40), entries: commands(41, 42, 2) }));
    await store.close();

    const reopened = await member.open();
    expect(reopened.identity).toEqual(identity);
    expect(reopened.recovered).toMatchObject({
      hardState: term(2, 40),
      logBase: { index: 40, term: 1 },
      lastIndex: 42,
      appliedIndex: 40,
    });
    expect(await stateOf(reopened)).toEqual(sent);
    expect((await reopened.readEntries(41, 42, everything)).map(plainEntry)).toEqual(
      commands(41, 42, 2).map(plainEntry),
    );
    expect(reopened.peerDirectory(senderId)).toBe("f".repeat(32));
    expect(reopened.peerDirectory("00000000000000a1")).toBeUndefined();
    expect(member.directory).toMatchObject({ former: undefined, received: undefined });
  });

  test("entries that follow the snapshot stay when the log has its entry", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const store = await member.open();
    await fill(store, 45, 3);
    await install(store, files);
    const kept = commands(41, 45, 1).map(plainEntry);
    expect((await store.readEntries(41, 45, everything)).map(plainEntry)).toEqual(kept);
    await store.write(batch({ entries: [command(46, 1)] }));
    await store.close();
    const reopened = await member.open();
    expect(reopened.recovered).toMatchObject({ lastIndex: 46, appliedIndex: 40, logSizeBytes: store.logSizeBytes });
    expect((await reopened.readEntries(41, 45, everything)).map(plainEntry)).toEqual(kept);
  });

  test("what contradicts the snapshot is gone, whatever the log held", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const store = await member.open();
    await store.write(batch({ hardState: term(3, 0), entries: commands(1, 39, 1) }));
    await store.write(batch({ entries: commands(40, 60, 2) }));
    await install(store, files);
    await store.write(batch({ entries: [command(41, 3, "other")] }));
    await store.close();
    const reopened = await member.open();
    expect(reopened.recovered).toMatchObject({ lastIndex: 41, logBase: { index: 40, term: 1 } });
    const expected = [plainEntry(command(41, 3, "other"))];
    expect((await reopened.readEntries(41, 41, everything)).map(plainEntry)).toEqual(expected);
  });

  test("a mark that the state is wrong stays, and that of the sender does not come", async () => {
    const files = await filesOf(await sender());
    const diverged = new Member();
    const divergence = { index: 2, hash: "1".repeat(64), majorityHash: "2".repeat(64) };
    for (const marks of [true, false]) {
      const member = marks ? diverged : new Member();
      const store = await member.open();
      await fill(store, 5, 3);
      if (marks) await store.markDiverged(divergence);
      await install(store, files);
      await store.close();
      expect(member.directory.rows.get(metaKeys.divergence) !== undefined).toBe(marks);
    }
  });

  test("removals that waited take nothing of the new state, though its rows stand where the old ones did", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const opened = openMemoryHome(member.directory);
    let removed: () => void = nothing;
    const removal = new Promise<void>((resolve) => {
      removed = resolve;
    });
    const engine: StorageEngine = { ...opened.engine, clear: () => removal };
    const store = await openOver(member.directory.rows, { ...opened, engine, memberId: member.memberId });
    await fill(store, 5, 3);
    // What waits for the removal of generation 1 are the rows of generation 0, where the sender has its own.
    const givenUp = await store.beginInstallation(sourceAt(10, 1));
    await givenUp.addRows(rowsOf(1, 5));
    await givenUp.abandon();
    const rows = await store.beginInstallation(sourceAt(10, 1));
    await rows.addRows(rowsOf(1, 5));
    await rows.finish(nothing);
    await install(store, files);
    removed();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await stateOf(store)).toEqual(sent);
    expect(member.directory.rows.get(stateKey(2, Buffer.from(keyOf(1))))).toBeUndefined();
    const next = await store.beginInstallation(sourceAt(60, 1));
    await next.addRows(rowsOf(1, 2));
    expect(await stateOf(store)).toEqual(sent);
    await store.close();
  });

  test("whoever reads the old state goes on; its files go when nobody does, and others are not taken before", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const store = await member.open();
    await fill(store, 5, 3);
    const snapshot = store.openSnapshot();
    await install(store, files);
    expect(await snapshotRows(snapshot)).toHaveLength(3);
    expect(member.directory.former).toBeDefined();
    expect(store.takesFilesOf).toBeUndefined();
    expect(store.givesFilesOf).toBe("memory");
    await snapshot.close();
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(member.directory.former).toBeUndefined();
    expect(store.takesFilesOf).toBe("memory");
  });

  test("a close does not wait for whoever reads the old state", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const store = await member.open();
    await fill(store, 5, 3);
    const snapshot = store.openSnapshot();
    await install(store, files);
    await store.close();
    expect(() => snapshot.get(Buffer.from(keyOf(1)))).toThrow("closed");
    expect(member.directory.former).toBeUndefined();
  });

  test("the files are those of one moment, whatever is written meanwhile", async () => {
    const from = await sender();
    const files = await filesOf(from);
    await from.write(batch({ stateChanges: [put(keyOf(1), "changed")], appliedIndex: 41 }));
    expect(files.appliedIndex).toBe(40);
    const store = await new Member().open();
    await store.write(batch({ hardState: term(1) }));
    await install(store, files);
    expect(await stateOf(store)).toEqual(sent);
    const later = await filesOf(from);
    expect(later.appliedIndex).toBe(41);
  });
});

describe("files of a snapshot that are of no use", () => {
  test("of another state or cluster are refused, and the store goes on", async () => {
    const stranger = await new Member(senderId).open("00000000000000c9");
    await fill(stranger, 50, 40);
    for (const [files, index] of [
      [await filesOf(await sender()), 41],
      [await filesOf(stranger), 40],
    ] as const) {
      const member = new Member();
      const store = await member.open();
      await fill(store, 5, 3);
      const installation = await begin(store, files, sourceAt(index, 1));
      await receive(installation, files);
      expect(await installation.complete()).toMatchObject({ code: "STATE_CORRUPT" });
      await installation.abandon();
      expect(member.directory.received).toBeUndefined();
      expect(store.installation).toBeUndefined();
      await store.write(batch({ entries: [command(6, 1)] }));
      expect(await stateOf(store)).toHaveLength(3);
    }
  });
});

test("files that no engine has leave no rows of the installation whose place they were to take", async () => {
  const files = await filesOf(await sender());
  const member = new Member();
  const store = await member.open();
  await fill(store, 5, 3);
  const rows = await store.beginInstallation(sourceAt(60, 1));
  await rows.addRows(rowsOf(1, 5));
  const ofRows = stateKey(1, Buffer.from(keyOf(1)));
  expect(member.directory.rows.get(ofRows)).toBeDefined();
  member.directory.before = (step) => {
    if (step === "receive") throw new RaftKvError("STATE_CORRUPT", "no file of an engine is called so");
  };
  await expect(begin(store, files, sourceAt(70, 1))).rejects.toMatchObject({ code: "STATE_CORRUPT" });
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(store.installation).toBeUndefined();
  expect(member.directory.rows.get(ofRows)).toBeUndefined();
});

test("whoever reads the rows of files that are given up is told that they are closed", async () => {
  const files = await filesOf(await sender());
  const store = await new Member().open();
  await fill(store, 5, 3);
  const installation = await begin(store, files, sourceAt(40, 1));
  await receive(installation, files);
  expect(await installation.complete()).toBeUndefined();
  await installation.abandon();
  const rows = installation.iterate({ start: Buffer.of(), end: Buffer.of(0xff) });
  await expect(rows[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "STORE_CLOSED" });
});

test("a disk that has no room for files to come ends the store as any failed write does", async () => {
  const files = await filesOf(await sender());
  const member = new Member();
  const store = await member.open();
  member.directory.before = () => {
    throw new Error("no space left");
  };
  await expect(begin(store, files, sourceAt(40, 1))).rejects.toMatchObject({ code: "WRITE_FAILED" });
  await expect(store.write(batch({ hardState: term(1) }))).rejects.toMatchObject({ code: "WRITE_FAILED" });
});

describe("an installation in files beside others", () => {
  test("takes the place of one in rows, and the other way round, also over a restart", async () => {
    const files = await filesOf(await sender());
    const member = new Member();
    const store = await member.open();
    await fill(store, 5, 3);
    const rows = await store.beginInstallation(sourceAt(60, 1));
    await rows.addRows(rowsOf(1, 5));
    const inFiles = await begin(store, files, sourceAt(40, 1));
    await inFiles.addBytes(await files.files.read(0, 10));
    await store.close();
    const second = await member.open();
    expect(second.installation).toMatchObject({ type: "files", source: sourceAt(40, 1), bytes: 0 });
    await second.beginInstallation(sourceAt(70, 1));
    await second.close();
    expect(member.directory.received).toBeUndefined();
    const third = await member.open();
    expect(third.installation).toMatchObject({ type: "rows", source: sourceAt(70, 1) });
    const again = await begin(third, files, sourceAt(40, 1));
    const anew = await begin(third, files, sourceAt(40, 1));
    await again.abandon();
    expect(third.installation).toBe(anew);
    await receive(anew, files);
    expect(await anew.complete()).toBeUndefined();
    await anew.finish(nothing);
    expect(await stateOf(third)).toEqual(sent);
  });
});

describe("a member that is ended during an installation in files", () => {
  test("has the old state or the new one after every step, and goes on where it was", async () => {
    const files = await filesOf(await sender());
    const failures: string[] = [];
    for (let at = 0; ; at += 1) {
      const member = new Member();
      const store = await member.open();
      await fill(store, 45, 3);
      const before = await stateOf(store);
      let steps = 0;
      member.directory.before = (step) => {
        steps += 1;
        if (steps <= at) return;
        failures.push(step);
        throw new Error("power cut");
      };
      const ended = await install(store, files).then(
        () => "installed",
        () => "cut short",
      );
      const atOnce = store.recovered;
      expect(atOnce.lastIndex).toBe(0);
      const found = await member.afterCrash();
      const isNew = (await stateOf(found)).length === sent.length;
      if (ended === "installed") expect(isNew).toBe(true);
      expect(await stateOf(found)).toEqual(isNew ? sent : before);
      const first = isNew ? 41 : 1;
      expect((await found.readEntries(first, 45, everything)).map(plainEntry)).toEqual(
        commands(first, 45, 1).map(plainEntry),
      );
      if (!isNew) {
        const { installation } = found;
        const goesOn = installation?.type === "files" ? installation : await begin(found, files, sourceAt(40, 1));
        await receive(goesOn, files);
        expect(await goesOn.complete()).toBeUndefined();
        await goesOn.finish(nothing);
      }
      expect(await stateOf(found)).toEqual(sent);
      await found.close();
      if (ended === "installed" && steps <= at) break;
    }
    expect(new Set(failures)).toEqual(new Set(["receive", "append", "open", "adopt", "remove former"]));
  });
});
