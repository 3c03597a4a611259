import { beforeEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import type { RaftNode } from "../../src/raft/raft-node.ts";
import { seededRandom } from "../../src/raft/random.ts";
import { silentMetrics } from "../../src/replica/replica-metrics.ts";
import { defaultReplicaOptions } from "../../src/replica/replica-options.ts";
import { processRuntime } from "../../src/replica/runtime.ts";
import { defaultSnapshotOptions, type SnapshotOptions } from "../../src/replica/snapshot-options.ts";
import { SnapshotSource } from "../../src/replica/snapshot-source.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import type { SnapshotChunk } from "../../src/transport/snapshot-transfer.ts";
import { openOver } from "../storage/store-fixture.ts";
import { firstChunk, rowsOf } from "../transport/snapshot-rows.ts";

const keyOf = (number: number) => Buffer.from(String(number).padStart(3, "0"));
const numbersOf = (chunk: SnapshotChunk) => rowsOf(chunk).map(([key]) => Number(Buffer.from(key).toString()));
const put = (number: number) => ({ type: "put", key: keyOf(number), value: Buffer.alloc(10, number) }) as const;

let store: MemberStore;
let nowMs: number;
let installing: boolean;
let role: string;
let matched: Map<string, { readonly matchIndex: number }>;
let ended: string[];
let failures: unknown[];
let lastIndex: number;

/** Applies one entry that writes these rows. */
async function write(...numbers: readonly number[]): Promise<void> {
  lastIndex++;
  const entry = { kind: "noop", index: lastIndex, term: 2, timeMs: 0 } as const;
  await store.write({
    hardState: { term: 2, votedFor: null, commitIndex: lastIndex },
    entries: [entry],
    stateChanges: [],
  });
  await store.write({ entries: [], stateChanges: numbers.map(put), appliedIndex: lastIndex });
}

beforeEach(async () => {
  store = await openOver(new MemoryRows());
  role = "follower";
  [nowMs, installing, matched, ended, failures, lastIndex] = [1000, false, new Map(), [], [], 0];
  await write(...Array.from({ length: 100 }, (_, number) => number));
});

function openSource(options: Partial<SnapshotOptions> = {}): SnapshotSource {
  const logBaseAt = (index: number) => ({
    index,
    term: 2,
    configuration: { index: 0, configuration: store.identity.bootstrapConfiguration },
  });
  const node: unknown = {
    logBaseAt,
    progress: matched,
    get role() {
      return role;
    },
  };
  return new SnapshotSource({
    node: node as RaftNode,
    store,
    options: { ...defaultReplicaOptions, snapshot: { ...defaultSnapshotOptions, ...options } },
    metrics: { ...silentMetrics, snapshotSent: (result) => void ended.push(result) },
    runtime: { ...processRuntime, now: () => nowMs },
    random: seededRandom(7),
    logger: silentLogger,
    isInstalling: () => installing,
    isDiverged: () => false,
    stateBytes: () => 4321,
    fail: (error) => void failures.push(error),
  });
}

const gone = { code: "SNAPSHOT_GONE" };

describe("a source of snapshots", () => {
  test("gives all rows as they stood, in pieces of about the size asked for, whatever is written meanwhile", async () => {
    const source = openSource();
    let chunk = await source.serve("f", firstChunk({ bytesMax: 130 }));
    expect(chunk).toMatchObject({ base: { index: 1, term: 2 }, totalBytes: 4321, done: false });
    const found = numbersOf(chunk);
    expect(found.length).toBeGreaterThanOrEqual(10);
    expect(found.length).toBeLessThan(20);
    await write(200, 201);
    while (!chunk.done) {
      const after = rowsOf(chunk).at(-1)?.[0] ?? expect.fail("an empty piece before the end");
      chunk = await source.serve("f", firstChunk({ snapshotId: chunk.snapshotId, after, bytesMax: 130 }));
      expect(chunk.base.index).toBe(1);
      found.push(...numbersOf(chunk));
    }
    expect(found).toEqual(Array.from({ length: 100 }, (_, number) => number));
    expect(source.sending).toEqual([{ to: "f", index: 1, bytes: 1300, totalBytes: 4321 }]);
    expect(numbersOf(await source.serve("g", firstChunk()))).toHaveLength(102);
  });

  test("gives rows again, from any key on, and at least one", async () => {
    const source = openSource();
    const { snapshotId } = await source.serve("f", firstChunk());
    for (const bytesMax of [0, 1]) {
      const again = await source.serve("f", firstChunk({ snapshotId, after: keyOf(41), bytesMax }));
      expect(numbersOf(again)).toEqual([42]);
    }
    const end = await source.serve("f", firstChunk({ snapshotId, after: keyOf(99) }));
    expect(end).toMatchObject({ part: { type: "rows", rows: [] }, done: true });
  });

  test("keeps one for each member, and refuses more than it may keep", async () => {
    const source = openSource({ openMax: 2 });
    const first = await source.serve("f", firstChunk());
    await source.serve("g", firstChunk());
    await expect(source.serve("h", firstChunk())).rejects.toThrow("2 snapshots are being sent");
    const second = await source.serve("f", firstChunk());
    expect(second.snapshotId).not.toBe(first.snapshotId);
    await expect(source.serve("f", firstChunk({ snapshotId: first.snapshotId }))).rejects.toMatchObject(gone);
    expect([source.sending.length, ended]).toEqual([2, ["abandoned"]]);
  });

  test("tells that a snapshot is gone which it never had, such as one of before its restart", async () => {
    const { snapshotId } = await openSource().serve("f", firstChunk());
    await expect(openSource().serve("f", firstChunk({ snapshotId }))).rejects.toMatchObject(gone);
  });

  test("stops its member when a snapshot that stands too early cannot be closed", async () => {
    const source = openSource();
    const broken = new Error("the engine is broken");
    const snapshot = { ...store.openSnapshot(), appliedIndex: 1, close: () => Promise.reject(broken) };
    store.openSnapshot = () => snapshot;
    await expect(source.serve("f", firstChunk({ minIndex: 2 }))).rejects.toThrow("entry 2 is not in the durable state");
    expect(failures).toEqual([broken]);
  });

  test("gives none that stands before what is asked for, and none while it installs one itself", async () => {
    const source = openSource();
    await expect(source.serve("f", firstChunk({ minIndex: 2 }))).rejects.toThrow("entry 2 is not in the durable state");
    installing = true;
    await expect(source.serve("f", firstChunk())).rejects.toThrow("a snapshot is being installed here");
    installing = false;
    await write();
    expect((await source.serve("f", firstChunk({ minIndex: 2 }))).base.index).toBe(2);
    expect(source.sending).toHaveLength(1);
  });

  test("keeps the log behind the oldest that somebody is fetching, until it is installed or nobody asks any more", async () => {
    const source = openSource({ idleMs: 500 });
    expect(source.pinnedIndex).toBeNull();
    await source.serve("f", firstChunk());
    await write();
    await source.serve("g", firstChunk());
    expect(source.pinnedIndex).toBe(1);
    matched.set("f", { matchIndex: 0 });
    nowMs += 499;
    source.tick(nowMs);
    expect(source.pinnedIndex).toBe(1);
    matched.set("f", { matchIndex: 1 });
    source.tick(nowMs);
    expect([source.pinnedIndex, ended]).toEqual([2, ["installed"]]);
    nowMs += 1;
    source.tick(nowMs);
    expect([source.pinnedIndex, ended]).toEqual([null, ["installed", "abandoned"]]);
  });

  test("a leader keeps none for a member that was removed", async () => {
    const source = openSource();
    await source.serve("f", firstChunk());
    source.tick(nowMs);
    expect(source.sending).toHaveLength(1);
    role = "leader";
    matched.set("f", { matchIndex: 0 });
    source.tick(nowMs);
    expect(source.sending).toHaveLength(1);
    matched.delete("f");
    source.tick(nowMs);
    expect([source.sending, ended]).toEqual([[], ["abandoned"]]);
  });

  test("a request keeps a snapshot for another while", async () => {
    const source = openSource({ idleMs: 500 });
    const { snapshotId } = await source.serve("f", firstChunk());
    for (let requests = 0; requests < 3; requests++) {
      nowMs += 400;
      source.tick(nowMs);
      await source.serve("f", firstChunk({ snapshotId }));
    }
    expect(source.sending).toHaveLength(1);
  });

  test("one that is let go under a request ends that request, and not the member", async () => {
    const source = openSource();
    const { snapshotId } = await source.serve("f", firstChunk());
    const reading = source.serve("f", firstChunk({ snapshotId, bytesMax: 100 }));
    source.close();
    await expect(reading).rejects.toMatchObject(gone);
    await expect(source.serve("f", firstChunk())).rejects.toMatchObject(gone);
    expect(failures).toEqual([]);
  });

  test("reads one piece ahead of who goes on, and anew for who does not", async () => {
    const source = openSource();
    const open = store.openSnapshot.bind(store);
    const reads: (string | null)[] = [];
    store.openSnapshot = () => {
      const snapshot = open();
      return {
        ...snapshot,
        rows: (after, pageBytes) => {
          reads.push(after && Buffer.from(after).toString());
          return snapshot.rows(after, pageBytes);
        },
      };
    };
    const piece = (snapshotId: string | null, after: string | null, bytesMax = 130) =>
      source.serve("f", firstChunk({ snapshotId, after: after === null ? null : Buffer.from(after), bytesMax }));
    const lastOf = (chunk: SnapshotChunk) => Buffer.from(rowsOf(chunk).at(-1)?.[0] ?? []).toString();
    const first = await piece(null, null);
    const { snapshotId } = first;
    expect(reads).toEqual([null, lastOf(first)]);
    const second = await piece(snapshotId, lastOf(first));
    expect(reads).toEqual([null, lastOf(first), lastOf(second)]);
    // The answer was lost, then a smaller piece is wanted, and then one from elsewhere: what was read ahead fits none of them.
    const again = await piece(snapshotId, lastOf(first));
    expect(again.part).toEqual(second.part);
    const smaller = await piece(snapshotId, lastOf(second), 60);
    const far = await piece(snapshotId, "069");
    expect(numbersOf(far)[0]).toBe(70);
    const asked = [lastOf(first), lastOf(second), "069"];
    const ahead = [lastOf(again), lastOf(smaller), lastOf(far)];
    expect(reads.slice(3)).toEqual(asked.flatMap((after, at) => [after, ahead[at]]));
    // Behind the last rows there is nothing to read.
    expect((await piece(snapshotId, "089", 1300)).done).toBe(true);
    expect(reads.slice(9)).toEqual(["089"]);
  });

  test("rows that cannot be read ahead stop the member", async () => {
    const source = openSource();
    const open = store.openSnapshot.bind(store);
    const damaged = new Error("damaged");
    store.openSnapshot = () => {
      const snapshot = open();
      const rows: typeof snapshot.rows = (after, pageBytes) =>
        after === null
          ? snapshot.rows(after, pageBytes)
          : { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(damaged) }) };
      return { ...snapshot, rows };
    };
    const first = await source.serve("f", firstChunk({ bytesMax: 130 }));
    const { snapshotId } = first;
    const after = rowsOf(first).at(-1)?.[0] ?? null;
    await expect(source.serve("f", firstChunk({ snapshotId, after, bytesMax: 130 }))).rejects.toBe(damaged);
    expect(failures).toEqual([damaged]);
  });

  test("a state that cannot be opened stops the member", async () => {
    const source = openSource();
    const damaged = new Error("damaged");
    store.openSnapshot = () => {
      throw damaged;
    };
    await expect(source.serve("f", firstChunk())).rejects.toBe(damaged);
    expect(failures).toEqual([damaged]);
  });

  test("rows that cannot be read stop the member", async () => {
    const source = openSource();
    const open = store.openSnapshot.bind(store);
    const damaged = new Error("damaged");
    store.openSnapshot = () => ({
      ...open(),
      rows: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(damaged) }) }),
    });
    await expect(source.serve("f", firstChunk())).rejects.toBe(damaged);
    expect(failures).toEqual([damaged]);
  });
});
