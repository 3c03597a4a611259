import { beforeEach, describe, expect, test } from "vitest";
import { RaftKvError } from "../../src/lib/errors.ts";
import { silentLogger } from "../../src/lib/logger.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { SnapshotFetcher } from "../../src/replica/snapshot-fetcher.ts";
import type { SnapshotInstaller } from "../../src/replica/snapshot-installer.ts";
import { defaultSnapshotOptions, type SnapshotOptions } from "../../src/replica/snapshot-options.ts";
import type { Installation } from "../../src/storage/installation.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import type { PeerTransport } from "../../src/transport/peer-transport.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../../src/transport/snapshot-transfer.ts";
import { MemoryDirectory, openMemoryHome } from "../storage/memory-home.ts";
import { openOver, rowsBegun } from "../storage/store-fixture.ts";
import { baseOfTests, chunkOf, filesChunk, filesOfTests } from "../transport/snapshot-rows.ts";

interface Asked extends SnapshotChunkRequest {
  readonly from: string;
  readonly answer: (chunk: SnapshotChunk) => void;
  readonly fail: (code: "PEER_UNREACHABLE" | "SNAPSHOT_GONE") => void;
}

/** A member that fetches, with its links, its clock and whoever installs in the test's hands. */
class Fetching {
  readonly rows: MemoryRows;
  readonly store: MemberStore;
  readonly asked: Asked[] = [];
  readonly prepared: Installation[] = [];
  readonly ended: string[] = [];
  readonly failures: unknown[] = [];
  readonly fetcher: SnapshotFetcher;
  readonly node = { role: "follower", commitIndex: 3 };
  nowMs = 1000;
  forgotten = 0;
  installing = false;
  availableBytes: number | null = null;
  readonly logged: string[] = [];

  constructor(rows: MemoryRows, store: MemberStore, options: Partial<SnapshotOptions>) {
    this.rows = rows;
    this.store = store;
    const isInstalling = (): boolean => this.installing;
    const installer = {
      get installing() {
        return isInstalling();
      },
      prepare: (installation: Installation) => void this.prepared.push(installation),
      forget: () => {
        this.forgotten++;
      },
    };
    this.fetcher = new SnapshotFetcher({
      node: this.node as RaftNode,
      store,
      transport: {
        fetchSnapshotChunk: (from, request) => this.#ask(from, request),
      } as Partial<PeerTransport> as PeerTransport,
      installer: installer as Partial<SnapshotInstaller> as SnapshotInstaller,
      options: {
        ...defaultReplicaOptions,
        snapshot: { ...defaultSnapshotOptions, retryMinMs: 100, retryMaxMs: 300, ...options },
      },
      metrics: { ...silentMetrics, snapshotReceived: (result) => void this.ended.push(result) },
      runtime: { ...processRuntime, now: () => this.nowMs },
      logger: { ...silentLogger, warn: (_fields, message) => void this.logged.push(message) },
      availableBytes: () => this.availableBytes,
      guarded: (part) => part(),
      fail: (error) => void this.failures.push(error),
    });
  }

  static async start(options: Partial<SnapshotOptions> = {}, rows = new MemoryRows()): Promise<Fetching> {
    return new Fetching(rows, await openOver(rows), options);
  }

  #ask(from: string, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    return new Promise((resolve, reject) => {
      const fail = (code: "PEER_UNREACHABLE" | "SNAPSHOT_GONE") => reject(new RaftKvError(code, "no rows"));
      this.asked.push({ ...request, from, answer: resolve, fail });
    });
  }

  /** The last request; each is looked at once. */
  take(): Asked {
    const asked = this.asked.shift();
    if (asked === undefined || this.asked.length > 0) throw new Error(`${this.asked.length} further requests`);
    return asked;
  }

  /** Lets time pass, and everything happen that follows. */
  async pass(ms = 0): Promise<void> {
    this.nowMs += ms;
    this.fetcher.tick(this.nowMs);
    for (let turns = 0; turns < 5; turns++) await new Promise(setImmediate);
  }
}

const announcement = { from: "l", index: 40 };
let member: Fetching;

beforeEach(async () => {
  member = await Fetching.start();
});

test("asks for row after row, one chunk ahead of what is durable, and hands the whole over", async () => {
  member.fetcher.announced(announcement);
  const first = member.take();
  expect(first).toMatchObject({ from: "l", snapshotId: null, minIndex: 40, after: null, bytesMax: 1 << 20 });
  first.answer(chunkOf([1, 2]));
  await member.pass();
  const second = member.take();
  expect(second).toMatchObject({ snapshotId: "s1", after: Uint8Array.of(7, 2) });
  expect(member.fetcher.receiving).toEqual({ from: "l", index: 40, bytes: 7, totalBytes: 1234, waitsForSpace: false });
  second.answer(chunkOf([3], { done: true }));
  await member.pass();
  expect(member.asked).toEqual([]);
  expect(member.prepared).toEqual([member.store.installation]);
  expect(member.prepared[0]).toMatchObject({
    rowCount: 3,
    bytes: 12,
    source: { snapshotId: "s1", from: "l", base: baseOfTests },
  });
  member.fetcher.installed();
  expect([member.fetcher.receiving, member.ended]).toEqual([null, ["installed"]]);
});

test("holds no more than one chunk beside the one that is being stored", async () => {
  const stored: (() => void)[] = [];
  member.fetcher.announced(announcement);
  const begin = member.store.beginInstallation.bind(member.store);
  member.store.beginInstallation = async (source) => {
    const installation = await begin(source);
    const addRows = installation.addRows.bind(installation);
    installation.addRows = async (rows) => {
      await new Promise<void>((resolve) => stored.push(resolve));
      await addRows(rows);
    };
    return installation;
  };
  member.take().answer(chunkOf([1]));
  await member.pass();
  member.take().answer(chunkOf([2]));
  await member.pass();
  await member.pass(1000);
  expect(member.asked).toEqual([]);
  stored.shift()?.();
  await member.pass();
  expect(member.take().after).toEqual(Uint8Array.of(7, 2));
});

test("repeated announcements change nothing, also of a later leader", async () => {
  member.fetcher.announced(announcement);
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  member.fetcher.announced({ from: "m", index: 40 });
  await member.pass();
  expect(member.take()).toMatchObject({ from: "l", snapshotId: "s1" });
});

test("a snapshot that stands before what the leader has is begun anew", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  const late = member.take();
  member.fetcher.announced({ from: "l", index: 41 });
  expect(member.take()).toMatchObject({ from: "l", snapshotId: null, minIndex: 41, after: null });
  expect([member.ended, member.forgotten]).toEqual([["abandoned"], 1]);
  late.answer(chunkOf([2]));
  await member.pass();
  expect(rowsBegun(member.store).rowCount).toBe(1);
});

test("a snapshot that is being installed is not given up for a later one, which is fetched after it", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1], { done: true }));
  await member.pass();
  member.installing = true;
  member.fetcher.announced({ from: "l", index: 60 });
  await member.pass(1000);
  expect([member.asked, member.forgotten, member.ended]).toEqual([[], 0, []]);
  member.installing = false;
  member.fetcher.installed();
  member.node.commitIndex = 40;
  await member.pass();
  member.fetcher.announced({ from: "l", index: 60 });
  expect(member.take()).toMatchObject({ snapshotId: null, minIndex: 60, after: null });
});

test("a failure is followed by a wait that grows up to a limit, and is forgotten at the next success", async () => {
  member.fetcher.announced(announcement);
  for (const waitMs of [100, 200, 300, 300]) {
    member.take().fail("PEER_UNREACHABLE");
    await member.pass();
    await member.pass(waitMs - 1);
    expect(member.asked).toEqual([]);
    await member.pass(1);
  }
  member.take().answer(chunkOf([1]));
  await member.pass();
  member.take().fail("PEER_UNREACHABLE");
  await member.pass();
  await member.pass(100);
  expect(member.take()).toMatchObject({ snapshotId: "s1", after: Uint8Array.of(7, 1) });
});

test("a source that does not answer is left for a leader that asks, not before", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  for (let failures = 0; failures < 4; failures++) {
    member.take().fail("PEER_UNREACHABLE");
    await member.pass();
    await member.pass(300);
  }
  expect(member.asked[0]).toMatchObject({ from: "l", snapshotId: "s1" });
  member.fetcher.announced({ from: "m", index: 40 });
  member.take().fail("PEER_UNREACHABLE");
  await member.pass();
  await member.pass(300);
  expect(member.take()).toMatchObject({ from: "m", snapshotId: null, after: null });
});

test("a snapshot that is gone is begun anew, and the rows of the old one are given up", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1, 2]));
  await member.pass();
  member.take().fail("SNAPSHOT_GONE");
  await member.pass();
  await member.pass(100);
  const again = member.take();
  expect(again).toMatchObject({ from: "l", snapshotId: null, after: null });
  again.answer(chunkOf([5], { snapshotId: "s2", base: { ...baseOfTests, index: 50 }, done: true }));
  await member.pass();
  expect(member.prepared).toMatchObject([{ rowCount: 1, source: { snapshotId: "s2", base: { index: 50 } } }]);
  expect(member.failures).toEqual([]);
});

test("rows that stand elsewhere than the first ones are not put to them", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  member.take().answer(chunkOf([2], { base: { ...baseOfTests, index: 41 } }));
  await member.pass();
  await member.pass(100);
  expect(member.take()).toMatchObject({ snapshotId: null, after: null });
  expect(rowsBegun(member.store).rowCount).toBe(1);
});

describe("after a restart", () => {
  async function restarted(): Promise<Fetching> {
    member.fetcher.announced(announcement);
    member.take().answer(chunkOf([1, 2]));
    await member.pass();
    await member.store.close();
    return Fetching.start({}, member.rows);
  }

  test("goes on with the rows that it has, with whoever gave them", async () => {
    const again = await restarted();
    again.fetcher.announced({ from: "m", index: 39 });
    const asked = again.take();
    expect(asked).toMatchObject({ from: "l", snapshotId: "s1", after: Uint8Array.of(7, 2) });
    expect(again.fetcher.receiving).toMatchObject({ index: 40, bytes: 7 });
    asked.answer(chunkOf([], { done: true }));
    await again.pass();
    expect(again.prepared).toMatchObject([{ rowCount: 2 }]);
  });

  test("begins anew when the leader has compacted beyond them", async () => {
    const again = await restarted();
    again.fetcher.announced({ from: "m", index: 41 });
    expect(again.take()).toMatchObject({ from: "m", snapshotId: null, after: null, minIndex: 41 });
  });

  test("gives the rows up when the log has come as far without them", async () => {
    const again = await restarted();
    again.node.commitIndex = 39;
    await again.pass();
    expect(rowsBegun(again.store).rowCount).toBe(2);
    again.node.commitIndex = 40;
    await again.pass();
    expect(again.store.installation).toBeUndefined();
  });
});

test("a member that leads needs no snapshot", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  member.take();
  member.node.role = "leader";
  await member.pass();
  expect([member.store.installation, member.fetcher.receiving, member.ended]).toEqual([undefined, null, ["abandoned"]]);
  await member.pass(10_000);
  expect(member.asked).toEqual([]);
});

test("without a leader that wants it, it rests after a while, and goes on when one does", async () => {
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  await member.pass(59_999);
  const waiting = member.take();
  await member.pass(1);
  expect([member.fetcher.receiving, member.forgotten]).toEqual([null, 1]);
  waiting.answer(chunkOf([2]));
  await member.pass();
  expect(rowsBegun(member.store).rowCount).toBe(1);
  member.fetcher.announced(announcement);
  expect(member.take()).toMatchObject({ from: "l", snapshotId: "s1", after: Uint8Array.of(7, 1) });
});

test("goes on only when the rows of the transfer before are stored, so that none comes twice", async () => {
  const stored: (() => void)[] = [];
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1]));
  await member.pass();
  const installation = rowsBegun(member.store);
  const addRows = installation.addRows.bind(installation);
  installation.addRows = async (rows) => {
    await new Promise<void>((resolve) => stored.push(resolve));
    await addRows(rows);
  };
  member.take().answer(chunkOf([2]));
  await member.pass();
  member.take();
  await member.pass(60_000);
  member.fetcher.announced(announcement);
  expect(member.asked).toEqual([]);
  stored.shift()?.();
  await member.pass();
  member.fetcher.announced(announcement);
  expect(member.take()).toMatchObject({ snapshotId: "s1", after: Uint8Array.of(7, 2) });
  expect(member.failures).toEqual([]);
});

test("fetches no more bytes in a second than it may, on average", async () => {
  member = await Fetching.start({ bytesPerSecondMax: 100 });
  member.fetcher.announced(announcement);
  // 102 bytes: more than a second's worth.
  member.take().answer(chunkOf([100]));
  await member.pass();
  await member.pass(1019);
  expect(member.asked).toEqual([]);
  await member.pass(1);
  expect(member.take().after).toEqual(Uint8Array.of(7, 100));
});

test("asks for a piece before the snapshot is let go of for want of requests, however low the rate is", async () => {
  member = await Fetching.start({ bytesPerSecondMax: 3, idleMs: 60_000 });
  member.fetcher.announced(announcement);
  const first = member.take();
  expect(first.bytesMax).toBe(60);
  // A row comes whole, however long it is.
  first.answer(chunkOf([100]));
  await member.pass();
  await member.pass(19_999);
  expect(member.asked).toEqual([]);
  await member.pass(1);
  expect(member.take().after).toEqual(Uint8Array.of(7, 100));
});

test("trap 70: waits while the disk has no room for the rest of a snapshot, and says so once", async () => {
  member = await Fetching.start({ spareBytes: 50 });
  // A tenth more than the 1000 bytes, and what has to be left.
  member.availableBytes = 1149;
  member.fetcher.announced(announcement);
  member.take().answer(chunkOf([1, 2], { totalBytes: 1000 }));
  await member.pass();
  expect([member.asked, member.store.installation]).toEqual([[], undefined]);
  expect(member.fetcher.receiving).toMatchObject({ bytes: 0, totalBytes: 1000, waitsForSpace: true });
  await member.pass(59_000);
  expect(member.logged).toEqual(["the disk has no room for a snapshot; it is fetched when there is"]);

  member.availableBytes = 1150;
  member.fetcher.announced(announcement);
  await member.pass();
  expect(member.fetcher.receiving).toMatchObject({ bytes: 7, waitsForSpace: false });
  // What is here needs no more room: 993 bytes are left to fetch.
  member.availableBytes = 1142;
  const second = member.take();
  second.answer(chunkOf([3], { totalBytes: 1000 }));
  await member.pass();
  expect(member.store.installation?.bytes).toBe(7);
  member.availableBytes = 1143;
  await member.pass();
  expect(member.store.installation?.bytes).toBe(12);
  // A disk that cannot be asked counts as one that has room.
  member.availableBytes = null;
  const third = member.take();
  third.answer(chunkOf([4], { totalBytes: 1000, done: true }));
  await member.pass();
  expect(member.prepared).toHaveLength(1);
  expect(member.logged).toHaveLength(2);
});

test("an error that the links never give stops the member", async () => {
  const broken = new Error("a bug");
  const guarded: unknown[] = [];
  const store = await openOver(new MemoryRows());
  const fetcher = new SnapshotFetcher({
    node: member.node as RaftNode,
    store,
    transport: { fetchSnapshotChunk: () => Promise.reject(broken) } as Partial<PeerTransport> as PeerTransport,
    installer: {} as SnapshotInstaller,
    options: defaultReplicaOptions,
    metrics: silentMetrics,
    runtime: processRuntime,
    logger: silentLogger,
    availableBytes: () => null,
    guarded: (part) => {
      try {
        part();
      } catch (error) {
        guarded.push(error);
      }
    },
    fail: () => {},
  });
  fetcher.announced(announcement);
  await new Promise(setImmediate);
  expect(guarded).toEqual([broken]);
});

describe("files of an engine", () => {
  const files = filesOfTests;
  const inFiles = { type: "files", totalBytes: 716 };
  let directory: MemoryDirectory;

  beforeEach(async () => {
    directory = new MemoryDirectory();
    member = await reopened();
  });

  async function reopened(): Promise<Fetching> {
    const { rows } = directory;
    return new Fetching(rows, await openOver(rows, openMemoryHome(directory)), {});
  }

  test("are asked for, byte after byte, one chunk ahead of what is stored, and handed over", async () => {
    member.fetcher.announced(announcement);
    const first = member.take();
    expect(first).toMatchObject({ snapshotId: null, engine: "memory", offset: 0 });
    first.answer(filesChunk(0, 300));
    await member.pass();
    expect(directory.received?.files).toEqual(files);
    const second = member.take();
    expect(second).toMatchObject({ snapshotId: "s1", engine: null, offset: 300, after: null, bytesMax: 4 << 20 });
    expect(member.fetcher.receiving).toMatchObject({ index: 40, bytes: 300, totalBytes: 716 });
    second.answer(filesChunk(300, 716));
    await member.pass();
    expect(member.asked).toEqual([]);
    expect(member.prepared).toMatchObject([{ ...inFiles, bytes: 716 }]);
  });

  test("are not asked for by a member whose engine has none, and need not be given", async () => {
    const plain = await Fetching.start();
    plain.fetcher.announced(announcement);
    expect(plain.take().engine).toBeNull();
    member.fetcher.announced(announcement);
    member.take().answer(chunkOf([1], { done: true }));
    await member.pass();
    expect(member.prepared).toMatchObject([{ type: "rows", rowCount: 1 }]);
  });

  test("that are of no use are given up, and rows are asked for until something is installed", async () => {
    member.fetcher.announced(announcement);
    member.take().answer(filesChunk(0, 716));
    await member.pass();
    const [installation] = member.prepared;
    if (installation === undefined) throw new Error("nothing was handed over");
    member.fetcher.unusable(installation, new RaftKvError("STATE_CORRUPT", "a table is damaged"));
    await member.pass();
    expect(directory.received).toBeUndefined();
    expect(member.logged).toEqual(["files of a snapshot cannot be used; it is fetched in rows"]);
    member.fetcher.announced(announcement);
    const again = member.take();
    expect(again).toMatchObject({ snapshotId: null, engine: null });
    again.answer(chunkOf([1], { snapshotId: "s2", done: true }));
    await member.pass();
    member.fetcher.installed();
    member.fetcher.announced({ from: "l", index: 60 });
    expect(member.take().engine).toBe("memory");
  });

  test("that no engine has are refused without harm, and rows are asked for", async () => {
    directory.before = (step) => {
      if (step === "receive") throw new RaftKvError("STATE_CORRUPT", "no file of an engine is called so");
    };
    member.fetcher.announced(announcement);
    member.take().answer(filesChunk(0, 300));
    await member.pass();
    member.asked.length = 0;
    await member.pass(300);
    expect(member.failures).toEqual([]);
    expect(member.asked.at(-1)).toMatchObject({ snapshotId: null, engine: null });
  });

  test("stop the member when they cannot be stored", async () => {
    directory.before = (step) => {
      if (step === "append") throw new Error("no space left on device");
    };
    member.fetcher.announced(announcement);
    member.take().answer(filesChunk(0, 300));
    await member.pass();
    expect(member.failures).toMatchObject([{ code: "WRITE_FAILED" }]);
  });

  test("go on behind the last whole one after a restart, and are not asked for when all are there", async () => {
    member.fetcher.announced(announcement);
    member.take().answer(filesChunk(0, 710));
    await member.pass();
    await member.store.close();
    const second = await reopened();
    second.fetcher.announced(announcement);
    const rest = second.take();
    expect(rest).toMatchObject({ from: "l", snapshotId: "s1", offset: 700 });
    rest.answer(filesChunk(700, 716));
    await second.pass();
    await second.store.close();
    const third = await reopened();
    third.fetcher.announced(announcement);
    expect([third.asked.length, third.prepared.length]).toEqual([0, 1]);
    expect(third.prepared).toMatchObject([{ ...inFiles, bytes: 716 }]);
    third.fetcher.announced(announcement);
    await third.pass();
    expect([third.asked.length, third.prepared.length]).toEqual([0, 1]);
  });

  test("that are to come to another size than was said are asked for anew", async () => {
    for (const totalBytes of [600, 900]) {
      directory = new MemoryDirectory();
      member = await reopened();
      member.fetcher.announced(announcement);
      member.take().answer(filesChunk(0, 300));
      await member.pass();
      member.take().answer(filesChunk(300, totalBytes, { totalBytes, done: true }));
      await member.pass();
      await member.pass(300);
      expect([member.failures, member.prepared]).toEqual([[], []]);
      expect(member.take()).toMatchObject({ snapshotId: null, offset: 0 });
    }
  });

  test("and rows never come together", async () => {
    member.fetcher.announced(announcement);
    member.take().answer(filesChunk(0, 300));
    await member.pass();
    member.take().answer(chunkOf([1]));
    await member.pass();
    await member.pass(300);
    expect(member.take()).toMatchObject({ snapshotId: null, offset: 0 });
  });
});
