import { describe, expect, test } from "vitest";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import {
  batch,
  bootstrapConfiguration,
  command,
  commands,
  configuration,
  contentOf,
  copyOf,
  newDirectory,
  noop,
  openIn,
  openOver,
  plainEntry,
  put,
  term,
} from "./store-fixture.ts";

const everything = Number.MAX_SAFE_INTEGER;
const corrupt = expect.objectContaining({ code: "LOG_CORRUPT" });

describe("member store", () => {
  test("a new directory holds nothing, and has an identity of its own", async () => {
    const [one, other] = [await openIn(await newDirectory()), await openIn(await newDirectory())];
    expect(one.identity).toMatchObject({ clusterId: "00000000000000c1", memberId: "00000000000000a1" });
    expect(one.identity.bootstrapConfiguration).toEqual(bootstrapConfiguration);
    expect(one.identity.dataDirectoryId).toMatch(/^[0-9a-f]{32}$/);
    expect(one.identity.dataDirectoryId).not.toBe(other.identity.dataDirectoryId);
    expect(one.recovered).toEqual({
      hardState: { term: 0, votedFor: null, commitIndex: 0 },
      logBase: { index: 0, term: 0 },
      baseConfiguration: { index: 0, configuration: bootstrapConfiguration },
      lastIndex: 0,
      termRuns: [],
      configurationEntries: [],
      appliedIndex: 0,
      logSizeBytes: 0,
    });
  });

  test("finds everything again after a reopen", async () => {
    const directory = await newDirectory();
    const first = await openIn(directory);
    const entries = [noop(1, 1), command(2, 1), configuration(3, 4), command(4, 4, "")];
    await first.write(
      batch({
        hardState: { term: 4, votedFor: "00000000000000a2", commitIndex: 2 },
        entries,
        stateChanges: [put("a", "1"), put("b", "2")],
        appliedIndex: 2,
      }),
    );
    await first.rememberPeerDirectory("00000000000000a2", "e".repeat(32));
    const before = await contentOf(first, 4);
    await first.close();

    const second = await openIn(directory);
    expect(await contentOf(second, 4)).toEqual(before);
    expect((await second.readEntries(1, 4, everything)).map(plainEntry)).toEqual(entries.map(plainEntry));
    expect(second.identity).toEqual(first.identity);
    expect(second.recovered).toEqual({
      hardState: { term: 4, votedFor: "00000000000000a2", commitIndex: 2 },
      logBase: { index: 0, term: 0 },
      baseConfiguration: { index: 0, configuration: bootstrapConfiguration },
      lastIndex: 4,
      termRuns: [
        { firstIndex: 1, term: 1 },
        { firstIndex: 3, term: 4 },
      ],
      configurationEntries: [configuration(3, 4)],
      appliedIndex: 2,
      logSizeBytes: first.logSizeBytes,
    });
    expect(Buffer.from(second.stateRow(Buffer.from("b")) ?? []).toString()).toBe("2");
    expect(second.stateRow(Buffer.from("c"))).toBeUndefined();
    expect(second.peerDirectory("00000000000000a2")).toBe("e".repeat(32));
    expect(second.peerDirectory("00000000000000a3")).toBeUndefined();
  });

  test("replaces the end of the log in one batch", async () => {
    const directory = await newDirectory();
    const store = await openIn(directory);
    await store.write(batch({ hardState: term(2), entries: [...commands(1, 3, 1), ...commands(4, 6, 2)] }));
    await store.write(batch({ hardState: term(3), truncateFrom: 4, entries: [command(4, 3, "new")] }));
    const expected = [...commands(1, 3, 1), command(4, 3, "new")].map(plainEntry);
    expect((await store.readEntries(1, 4, everything)).map(plainEntry)).toEqual(expected);
    await expect(store.readEntries(5, 5, 1)).rejects.toMatchObject({ code: "LOG_RANGE" });
    await store.close();

    const reopened = await openIn(directory);
    expect((await reopened.readEntries(1, 4, everything)).map(plainEntry)).toEqual(expected);
    expect(reopened.recovered.termRuns).toEqual([
      { firstIndex: 1, term: 1 },
      { firstIndex: 4, term: 3 },
    ]);
    expect(reopened.recovered.logSizeBytes).toBe(store.logSizeBytes);
  });

  test("cuts the whole log off, and a truncation behind its end changes nothing", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    await store.write(batch({ truncateFrom: 4 }));
    expect(await store.readEntries(1, 3, everything)).toHaveLength(3);
    await store.write(batch({ truncateFrom: 1 }));
    expect(store.logSizeBytes).toBe(0);
    await expect(store.readEntries(1, 1, 1)).rejects.toMatchObject({ code: "LOG_RANGE" });
    await store.write(batch({ entries: [command(1, 1, "again")] }));
    expect((await openOver(rows)).recovered).toMatchObject({ lastIndex: 1, logSizeBytes: store.logSizeBytes });
  });

  test("a truncation that is too large for one batch goes in steps, each of which leaves a whole log", async () => {
    const rows = new MemoryRows();
    const engine = openMemoryEngine(rows);
    const crashes: MemoryRows[] = [];
    const write: StorageEngine["write"] = (changes) =>
      engine.write(changes).then(() => void crashes.push(copyOf(rows)));
    const store = await openOver(rows, { engine: { ...engine, write }, truncationStep: 10 });
    await store.write(batch({ hardState: term(1), entries: commands(1, 95, 1) }));
    crashes.length = 0;
    const committed = { ...term(2), commitIndex: 7 };
    await store.write(batch({ hardState: committed, truncateFrom: 3, entries: commands(3, 7, 2) }));
    const recovered = [];
    for (const crash of crashes) recovered.push((await openOver(crash)).recovered);
    expect(recovered.map(({ lastIndex }) => lastIndex)).toEqual([85, 75, 65, 55, 45, 35, 25, 15, 5, 7]);
    expect(recovered.every(({ hardState }) => hardState.term === 2)).toBe(true);
    // A commit index that covers entries of the batch is there no sooner than they are.
    expect(recovered.map(({ hardState }) => hardState.commitIndex)).toEqual([...Array(9).fill(0), 7]);
    expect(recovered.at(-1)?.logSizeBytes).toBe(store.logSizeBytes);
  });

  test("reads at least one entry, then as many as the bytes allow", async () => {
    const store = await openOver(new MemoryRows());
    await store.write(batch({ hardState: term(1), entries: commands(1, 20, 1) }));
    const size = store.logSizeBytes / 20;
    expect(await store.readEntries(3, 20, 0)).toHaveLength(1);
    expect(await store.readEntries(3, 20, Math.ceil(size * 5) + 5)).toHaveLength(5);
    expect((await store.readEntries(3, 4, everything)).map(({ index }) => index)).toEqual([3, 4]);
  });

  test("entries outside the durable log are refused with LOG_RANGE", async () => {
    const store = await openOver(new MemoryRows());
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    for (const [from, to] of [
      [0, 1],
      [1, 4],
      [4, 4],
    ] as const) {
      await expect(store.readEntries(from, to, everything)).rejects.toMatchObject({ code: "LOG_RANGE" });
    }
  });

  test("entries that are being replaced are not readable, and no damage", async () => {
    const store = await openIn(await newDirectory());
    await store.write(batch({ hardState: term(1), entries: commands(1, 9, 1) }));
    const writing = store.write(batch({ hardState: term(2), truncateFrom: 5, entries: [command(5, 2)] }));
    const results = await Promise.allSettled([
      store.readEntries(1, 9, everything),
      store.readEntries(1, 4, everything),
    ]);
    await writing;
    for (const result of results) {
      if (result.status === "rejected") expect(result.reason).toMatchObject({ code: "LOG_RANGE" });
    }
    expect(results[1].status).toBe("fulfilled");
    expect(await store.readEntries(1, 5, everything)).toHaveLength(5);
  });

  test("trap 69: the applied index and its rows are one batch, and never ahead of the log", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    await expect(store.write(batch({ stateChanges: [put("a", "1")] }))).rejects.toThrow(/without the applied index/);
    await expect(store.write(batch({ appliedIndex: 4 }))).rejects.toThrow(/beyond the log/);
    await store.write(batch({ stateChanges: [put("a", "1")], appliedIndex: 2 }));
    await expect(store.write(batch({ appliedIndex: 1 }))).rejects.toThrow(/falls/);
    expect((await openOver(rows)).recovered.appliedIndex).toBe(2);
    expect((await openOver(rows)).stateRow(Buffer.from("a"))).toBeDefined();
  });

  test("trap 3: term and vote are one record, and a vote never changes within its term", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await store.write(batch({ hardState: { term: 2, votedFor: "a", commitIndex: 0 } }));
    await expect(store.write(batch({ hardState: { term: 2, votedFor: "b", commitIndex: 0 } }))).rejects.toThrow(/vote/);
    await expect(store.write(batch({ hardState: { term: 1, votedFor: "a", commitIndex: 0 } }))).rejects.toThrow(/term/);
    await store.write(batch({ hardState: { term: 3, votedFor: null, commitIndex: 0 } }));
    expect((await openOver(rows)).recovered.hardState).toEqual({ term: 3, votedFor: null, commitIndex: 0 });
  });

  test("trap 4: an entry's term is durable no later than the entry", async () => {
    const store = await openOver(new MemoryRows());
    await expect(store.write(batch({ entries: [command(1, 1)] }))).rejects.toThrow(/beyond the hard state/);
    await store.write(batch({ hardState: term(1), entries: [command(1, 1)] }));
  });

  test("trap 27: the commit index never falls, and committed entries are never cut off", async () => {
    const store = await openOver(new MemoryRows());
    await store.write(batch({ hardState: term(1, 2), entries: commands(1, 3, 1) }));
    await expect(store.write(batch({ hardState: term(1, 1) }))).rejects.toThrow(/commit index falls/);
    await expect(store.write(batch({ hardState: term(1, 4) }))).rejects.toThrow(/beyond the log/);
    await expect(store.write(batch({ truncateFrom: 2 }))).rejects.toThrow(/removes committed entries/);
  });

  test("entries follow one another, and their terms never decrease", async () => {
    const store = await openOver(new MemoryRows());
    await store.write(batch({ hardState: term(3), entries: commands(1, 2, 2) }));
    await expect(store.write(batch({ entries: [command(4, 2)] }))).rejects.toThrow(/does not follow/);
    await expect(store.write(batch({ entries: [command(2, 2)] }))).rejects.toThrow(/does not follow/);
    await expect(store.write(batch({ entries: [command(3, 1)] }))).rejects.toThrow(/below/);
    expect(await store.readEntries(1, 2, everything)).toHaveLength(2);
  });

  test("writes run one at a time", async () => {
    const store = await openIn(await newDirectory());
    const first = store.write(batch({ hardState: term(1), entries: [command(1, 1)] }));
    await expect(store.write(batch({ entries: [command(2, 1)] }))).rejects.toThrow(/under way/);
    await first;
    await store.write(batch({ entries: [command(2, 1)] }));
    expect(await store.readEntries(1, 2, everything)).toHaveLength(2);
  });

  test("a peer's directory is remembered once and for all", async () => {
    const store = await openOver(new MemoryRows());
    await Promise.all([store.rememberPeerDirectory("b", "1"), store.rememberPeerDirectory("b", "1")]);
    await expect(store.rememberPeerDirectory("b", "2")).rejects.toThrow(/already has directory 1/);
    expect(store.peerDirectory("b")).toBe("1");
  });

  test("a peer's directory may be remembered while a turn is written", async () => {
    const directory = await newDirectory();
    const store = await openIn(directory);
    const turn = store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    const peers = ["b", "c"].map((id) => store.rememberPeerDirectory(id, "1"));
    await turn;
    const next = store.write(batch({ entries: commands(4, 5, 1) }));
    await Promise.all([next, ...peers]);
    await store.close();
    const reopened = await openIn(directory);
    expect(reopened.recovered.lastIndex).toBe(5);
    expect([reopened.peerDirectory("b"), reopened.peerDirectory("c")]).toEqual(["1", "1"]);
  });

  test("close waits for the write under way, is idempotent, and ends all use", async () => {
    const directory = await newDirectory();
    const store = await openIn(directory);
    const writing = store.write(batch({ hardState: term(1), entries: commands(1, 50, 1) }));
    await Promise.all([store.close(), store.close()]);
    await writing;
    const closed = expect.objectContaining({ code: "STORE_CLOSED" });
    await expect(store.write(batch({}))).rejects.toThrow(closed);
    await expect(store.readEntries(1, 1, 1)).rejects.toThrow(closed);
    await expect(store.rememberPeerDirectory("b", "1")).rejects.toThrow(closed);
    expect(() => store.stateRow(Buffer.of())).toThrow(closed);
    expect((await openIn(directory)).recovered.lastIndex).toBe(50);
  });

  test("a damaged entry is refused when it is read", async () => {
    const rows = new MemoryRows();
    const store = await openOver(rows);
    await store.write(batch({ hardState: term(1), entries: commands(1, 3, 1) }));
    const row = rows.snapshot().find(([key]) => key[0] === 2 && key.at(-1) === 2);
    row?.[1].set([0xff], 40);
    expect(await store.readEntries(1, 1, everything)).toHaveLength(1);
    await expect(store.readEntries(1, 3, everything)).rejects.toThrow(corrupt);
    await expect(store.readEntries(3, 3, everything)).rejects.toThrow(/log entry 2 is damaged: its checksum/);
  });
});
