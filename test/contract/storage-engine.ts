import { afterEach, describe, expect, test } from "vitest";
import type {
  IterateOptions,
  KeyRange,
  Row,
  RowChange,
  RowReader,
  StorageEngine,
} from "../../src/storage/storage-engine.ts";

/** What the suite needs to know about an engine. */
export interface EngineUnderTest {
  /** Opens an engine over a disk, which outlives it. */
  open(disk: string): Promise<StorageEngine>;
  /** A disk with nothing on it. */
  newDisk(): Promise<string>;
}

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const put = (key: Uint8Array, value = bytes(1)): RowChange => ({ type: "put", key, value });
const remove = (key: Uint8Array): RowChange => ({ type: "delete", key });
const everything: KeyRange = { start: bytes(), end: new Uint8Array(300).fill(0xff) };

/** Runs the contract of {@link StorageEngine} against one engine. */
export function describeStorageEngine(name: string, underTest: EngineUnderTest): void {
  const opened: StorageEngine[] = [];

  async function open(disk?: string): Promise<StorageEngine> {
    const engine = await underTest.open(disk ?? (await underTest.newDisk()));
    opened.push(engine);
    return engine;
  }

  afterEach(async () => {
    for (const engine of opened.splice(0)) await engine.close();
  });

  describe(`storage engine contract: ${name}`, () => {
    test("has a name", async () => {
      expect((await open()).name).toBe(name);
    });

    test("reads what was written, and undefined for what was not", async () => {
      const engine = await open();
      await engine.write([put(bytes(1, 2), bytes(3, 4))]);
      expect(engine.get(bytes(1, 2))).toEqual(expectBytes(3, 4));
      expect(engine.get(bytes(1))).toBeUndefined();
      expect(engine.get(bytes(1, 2, 0))).toBeUndefined();
    });

    test("keeps empty keys and empty values", async () => {
      const engine = await open();
      await engine.write([put(bytes(), bytes(7)), put(bytes(5), bytes())]);
      expect(engine.get(bytes())).toEqual(expectBytes(7));
      expect(engine.get(bytes(5))).toEqual(expectBytes());
    });

    test("takes and gives Buffers by copy, although their slices share bytes", async () => {
      const engine = await open();
      const [key, value] = [Buffer.from([1]), Buffer.from([3, 4])];
      await engine.write([put(key, value)]);
      key[0] = 9;
      value[0] = 9;
      const read = engine.get(bytes(1));
      expect(read).toEqual(expectBytes(3, 4));
      if (read !== undefined) read[0] = 9;
      for (const page of await pagesOf(engine, everything)) for (const [, found] of page) found[1] = 9;
      expect(engine.get(bytes(1))).toEqual(expectBytes(3, 4));
    });

    test("orders keys bytewise and unsigned, shorter keys before their extensions", async () => {
      const engine = await open();
      const ordered = [
        bytes(),
        bytes(0),
        bytes(0, 0),
        bytes(0, 0xff),
        bytes(1),
        bytes(0x7f, 0xff),
        bytes(0x80),
        bytes(0xc3, 0xa9),
        bytes(0xff),
        bytes(0xff, 0),
        bytes(0xff, 0xff),
      ];
      const shuffled = [7, 0, 10, 3, 8, 1, 5, 9, 2, 6, 4].flatMap((at) => ordered[at] ?? []);
      await engine.write(shuffled.map((key) => put(key)));
      expect(await keysOf(engine, everything)).toEqual(ordered.map(plain));
      expect(await keysOf(engine, everything, { reverse: true })).toEqual(ordered.map(plain).reverse());
    });

    test("takes the start of a range and leaves its end", async () => {
      const engine = await open();
      await engine.write([1, 2, 3, 4].map((key) => put(bytes(key))));
      expect(await keysOf(engine, { start: bytes(2), end: bytes(4) })).toEqual([[2], [3]]);
      expect(await keysOf(engine, { start: bytes(2), end: bytes(4) }, { reverse: true })).toEqual([[3], [2]]);
      expect(await keysOf(engine, { start: bytes(2), end: bytes(2) })).toEqual([]);
      expect(await keysOf(engine, { start: bytes(4), end: bytes(2) })).toEqual([]);
    });

    test("stops at the limit, from either end", async () => {
      const engine = await open();
      await engine.write([1, 2, 3, 4].map((key) => put(bytes(key))));
      expect(await keysOf(engine, everything, { limit: 2 })).toEqual([[1], [2]]);
      expect(await keysOf(engine, everything, { limit: 1, reverse: true })).toEqual([[4]]);
      expect(await keysOf(engine, everything, { limit: 0 })).toEqual([]);
    });

    test("ends a page when it has its bytes, and yields no empty page", async () => {
      const engine = await open();
      await engine.write(Array.from({ length: 100 }, (_, at) => put(bytes(at), new Uint8Array(100))));
      const pages = await pagesOf(engine, everything, { pageBytes: 1000 });
      expect(pages.flat()).toHaveLength(100);
      expect(Math.max(...pages.map((page) => page.length))).toBeLessThanOrEqual(11);
      expect(Math.min(...pages.map((page) => page.length))).toBeGreaterThan(0);
      expect(await pagesOf(engine, { start: bytes(200), end: bytes(201) })).toEqual([]);
    });

    test("applies a batch in order: the later change of a key wins", async () => {
      const engine = await open();
      await engine.write([put(bytes(1), bytes(1)), put(bytes(1), bytes(2)), put(bytes(2)), remove(bytes(2))]);
      await engine.write([remove(bytes(3)), put(bytes(3), bytes(9)), remove(bytes(4))]);
      expect(engine.get(bytes(1))).toEqual(expectBytes(2));
      expect(engine.get(bytes(2))).toBeUndefined();
      expect(engine.get(bytes(3))).toEqual(expectBytes(9));
    });

    test("shows a batch whole or not at all", async () => {
      const engine = await open();
      const seen = new Set<number>();
      const writing = engine.write(Array.from({ length: 200 }, (_, at) => put(bytes(at))));
      seen.add((await keysOf(engine, everything)).length);
      await writing;
      seen.add((await keysOf(engine, everything)).length);
      for (const count of seen) expect([0, 200]).toContain(count);
      expect(seen).toContain(200);
    });

    test("takes an empty batch", async () => {
      const engine = await open();
      await engine.write([]);
      expect(await keysOf(engine, everything)).toEqual([]);
    });

    test("iterates over the rows as they were when the first page was asked for", async () => {
      const engine = await open();
      const keys = Array.from({ length: 50 }, (_, at) => at);
      await engine.write(keys.map((key) => put(bytes(key), new Uint8Array(10))));
      const seen: number[][] = [];
      for await (const page of engine.iterate(everything, { pageBytes: 20 })) {
        seen.push(...page.map(([key]) => plain(key)));
        await engine.write([put(bytes(200 + (seen.length % 50))), remove(bytes(49)), put(bytes(0), bytes(8))]);
      }
      expect(seen).toEqual(keys.map((key) => [key]));
    });

    test("reads ahead without changing what is seen", async () => {
      const engine = await open();
      await engine.write(Array.from({ length: 50 }, (_, at) => put(bytes(at))));
      const seen: number[][] = [];
      for await (const page of engine.iterate(everything, { pageBytes: 4, readAhead: true })) {
        seen.push(...page.map(([key]) => plain(key)));
        await engine.write([remove(bytes(49)), put(bytes(60))]);
        if (seen.length > 40) break;
      }
      expect(seen).toEqual(Array.from(seen, (_, at) => [at]));
      expect(seen.length).toBeGreaterThan(40);
    });

    test("an iteration that is left early holds nothing up", async () => {
      const engine = await open();
      await engine.write(Array.from({ length: 50 }, (_, at) => put(bytes(at))));
      for await (const page of engine.iterate(everything, { pageBytes: 1 })) {
        expect(page).toHaveLength(1);
        break;
      }
      await engine.close();
    });

    test("arrays belong to the caller, those given and those got", async () => {
      const engine = await open();
      const key = bytes(1);
      const value = bytes(2);
      await engine.write([put(key, value)]);
      key.fill(9);
      value.fill(9);
      engine.get(bytes(1))?.fill(9);
      for await (const page of engine.iterate(everything))
        for (const row of page) for (const array of row) array.fill(9);
      expect(engine.get(bytes(1))).toEqual(expectBytes(2));
      expect(await keysOf(engine, everything)).toEqual([[1]]);
    });

    test("clears a range, and nothing beside it", async () => {
      const engine = await open();
      await engine.write(Array.from({ length: 5000 }, (_, at) => put(bytes(1, at >> 8, at & 0xff))));
      await engine.write([put(bytes(0)), put(bytes(2))]);
      await engine.clear({ start: bytes(1), end: bytes(2) });
      expect(await keysOf(engine, everything)).toEqual([[0], [2]]);
    });

    test("clears everything, and is there for new rows", async () => {
      const engine = await open();
      await engine.write([bytes(1), bytes(2, 1), bytes(3, 0, 0, 0, 0, 7), bytes(4, 9)].map((key) => put(key)));
      await engine.clear(everything);
      expect(await keysOf(engine, everything)).toEqual([]);
      await engine.write([put(bytes(2, 1), bytes(5))]);
      expect(engine.get(bytes(2, 1))).toEqual(expectBytes(5));
    });

    test("rows of 16 MiB are written and read by every way, and a page of a snapshot takes no more than it needs", async () => {
      const engine = await open();
      const large = 16 * 1024 * 1024;
      for (let at = 0; at < 6; at += 1) await engine.write([put(bytes(3, at), new Uint8Array(large).fill(at))]);
      expect(engine.get(bytes(3, 5))?.[large - 1]).toBe(5);
      const snapshot = engine.snapshot();
      const before = process.memoryUsage().arrayBuffers;
      const pages = snapshot.iterate(everything)[Symbol.asyncIterator]();
      expect((await pages.next()).value?.[0]?.[1]?.length).toBe(large);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 * large);
      await pages.return?.();
      for (const rows of [engine, snapshot]) {
        const found: number[] = [];
        for await (const page of rows.iterate(everything, { reverse: true })) {
          for (const [, value] of page) found.push(value.length === large ? (value[0] ?? -1) : -1);
        }
        expect(found).toEqual([5, 4, 3, 2, 1, 0]);
      }
      await snapshot.close();
    });

    test("a snapshot keeps the rows as they were, whatever is written or cleared later", async () => {
      const engine = await open();
      await engine.write([1, 2, 3, 4].map((key) => put(bytes(key), bytes(key))));
      const snapshot = engine.snapshot();
      await engine.write([put(bytes(1), bytes(9)), put(bytes(5)), remove(bytes(2))]);
      await engine.clear({ start: bytes(3), end: bytes(9) });
      expect(await keysOf(engine, everything)).toEqual([[1]]);
      for (let again = 0; again < 2; again += 1) {
        expect(snapshot.get(bytes(1))).toEqual(expectBytes(1));
        expect(snapshot.get(bytes(2))).toEqual(expectBytes(2));
        expect(snapshot.get(bytes(5))).toBeUndefined();
        expect(await keysOf(snapshot, everything)).toEqual([[1], [2], [3], [4]]);
      }
      const latest = { start: bytes(2), end: bytes(4) };
      expect(await keysOf(snapshot, latest, { reverse: true, limit: 1 })).toEqual([[3]]);
      await snapshot.close();
      expect(engine.get(bytes(1))).toEqual(expectBytes(9));
    });

    test("snapshots of different moments stand side by side, each with all of a write or nothing of it", async () => {
      const engine = await open();
      const snapshots = [engine.snapshot()];
      for (let round = 1; round <= 3; round += 1) {
        const writing = engine.write(Array.from({ length: 100 }, (_, at) => put(bytes(at), bytes(round))));
        snapshots.push(engine.snapshot());
        await writing;
        snapshots.push(engine.snapshot());
      }
      const seen: string[] = [];
      for (const snapshot of snapshots) {
        const rows = (await pagesOf(snapshot, everything)).flat();
        seen.push([...new Set(rows.map(([, value]) => `${value[0]}`)), rows.length].join(":"));
        await snapshot.close();
      }
      const whole = ["0", "1:100", "2:100", "3:100"];
      for (const each of seen) expect(whole).toContain(each);
      expect([seen[0], seen[2], seen[4], seen[6]]).toEqual(whole);
    });

    test("snapshots taken again and again while writes land can all be read", async () => {
      const engine = await open();
      let ended = false;
      const writing = (async () => {
        for (let round = 1; round <= 100; round += 1) await engine.write([put(bytes(1), bytes(round))]);
        ended = true;
      })();
      let latest = 0;
      while (!ended) {
        const snapshot = engine.snapshot();
        const value = snapshot.get(bytes(1))?.[0] ?? 0;
        expect(value).toBeGreaterThanOrEqual(latest);
        latest = value;
        await snapshot.close();
        await new Promise((resolve) => setImmediate(resolve));
      }
      await writing;
    });

    test("arrays that a snapshot gives belong to the caller", async () => {
      const engine = await open();
      await engine.write([put(bytes(1), bytes(2))]);
      const snapshot = engine.snapshot();
      snapshot.get(bytes(1))?.fill(9);
      for (const row of (await pagesOf(snapshot, everything)).flat()) for (const array of row) array.fill(9);
      expect(snapshot.get(bytes(1))).toEqual(expectBytes(2));
      expect(engine.get(bytes(1))).toEqual(expectBytes(2));
      expect(await keysOf(snapshot, everything)).toEqual([[1]]);
    });

    test("a closed snapshot answers every call with STORE_CLOSED, also an iteration that was under way", async () => {
      const engine = await open();
      await engine.write(Array.from({ length: 50 }, (_, at) => put(bytes(at))));
      const snapshot = engine.snapshot();
      const left = snapshot.iterate(everything, { pageBytes: 1 })[Symbol.asyncIterator]();
      expect((await left.next()).value).toHaveLength(1);
      await Promise.all([snapshot.close(), snapshot.close()]);
      await snapshot.close();
      const closed = expect.objectContaining({ code: "STORE_CLOSED" });
      await expect(left.next()).rejects.toThrow(closed);
      expect(() => snapshot.get(bytes(1))).toThrow(closed);
      await expect(keysOf(snapshot, everything)).rejects.toThrow(closed);
      expect(await keysOf(engine, everything)).toHaveLength(50);
    });

    test("closing an engine closes its snapshots, and may come before them", async () => {
      const engine = await open();
      await engine.write([put(bytes(1))]);
      const snapshot = engine.snapshot();
      const left = snapshot.iterate(everything)[Symbol.asyncIterator]();
      await left.next();
      await engine.close();
      const closed = expect.objectContaining({ code: "STORE_CLOSED" });
      await expect(left.next()).rejects.toThrow(closed);
      expect(() => snapshot.get(bytes(1))).toThrow(closed);
      await snapshot.close();
      expect(() => engine.snapshot()).toThrow(closed);
    });

    test("writes of different rows may overlap, with each other and with a clear", async () => {
      const engine = await open();
      await engine.write(Array.from({ length: 3000 }, (_, at) => put(bytes(1, at >> 8, at & 0xff))));
      const writes = Array.from({ length: 10 }, (_, at) => engine.write([put(bytes(2, at), new Uint8Array(5000))]));
      await Promise.all([engine.clear({ start: bytes(1), end: bytes(2) }), ...writes]);
      expect(await keysOf(engine, everything)).toEqual(writes.map((_, at) => [2, at]));
    });

    test("clears and gives the space back, and nothing beside it is lost", async () => {
      const disk = await underTest.newDisk();
      const engine = await open(disk);
      for (let at = 0; at < 20; at += 1) {
        await engine.write(Array.from({ length: 100 }, (_, i) => put(bytes(at, i), new Uint8Array(1000).fill(i))));
      }
      const snapshot = engine.snapshot();
      await engine.clear({ start: bytes(5), end: bytes(15) }, { reclaim: true });
      expect(await keysOf(engine, everything)).toHaveLength(1000);
      expect(await keysOf(snapshot, everything)).toHaveLength(2000);
      await engine.clear({ start: bytes(5), end: bytes(15) }, { reclaim: true });
      await engine.close();
      expect(await keysOf(await open(disk), everything)).toHaveLength(1000);
    });

    test("close is idempotent, and every call after it is answered with STORE_CLOSED", async () => {
      const engine = await open();
      await Promise.all([engine.close(), engine.close()]);
      await engine.close();
      const closed = expect.objectContaining({ code: "STORE_CLOSED" });
      expect(() => engine.get(bytes(1))).toThrow(closed);
      await expect(engine.write([put(bytes(1))])).rejects.toThrow(closed);
      await expect(engine.clear(everything)).rejects.toThrow(closed);
      await expect(keysOf(engine, everything)).rejects.toThrow(closed);
    });

    test("close waits for the write under way, and a reopened engine finds it", async () => {
      const disk = await underTest.newDisk();
      const engine = await open(disk);
      await engine.write([put(bytes(1), bytes(1)), put(bytes(2))]);
      const writing = engine.write([put(bytes(1), bytes(5)), remove(bytes(2)), put(bytes(3), new Uint8Array(100_000))]);
      await engine.close();
      await writing;
      const reopened = await open(disk);
      expect(reopened.get(bytes(1))).toEqual(expectBytes(5));
      expect(reopened.get(bytes(2))).toBeUndefined();
      expect(reopened.get(bytes(3))).toHaveLength(100_000);
    });
  });
}

/** Compares by content: engines may answer with a subclass of Uint8Array. */
function expectBytes(...values: number[]): unknown {
  return expect.toSatisfy((actual) => Buffer.from(values).equals(actual), `bytes ${values.join(" ")}`);
}

function plain(key: Uint8Array): number[] {
  return [...key];
}

async function pagesOf(rows: RowReader, range: KeyRange, options?: IterateOptions): Promise<(readonly Row[])[]> {
  const pages: (readonly Row[])[] = [];
  for await (const page of rows.iterate(range, options)) pages.push(page);
  return pages;
}

async function keysOf(rows: RowReader, range: KeyRange, options?: IterateOptions): Promise<number[][]> {
  return (await pagesOf(rows, range, options)).flat().map(([key]) => plain(key));
}
