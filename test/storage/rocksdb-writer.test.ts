import type { Worker } from "node:worker_threads";
import { expect, onTestFinished, test, vi } from "vitest";
import { openRocksdbEngine } from "../../src/storage/open-rocksdb-engine.ts";
import type { StorageEngine } from "../../src/storage/storage-engine.ts";
import { newDirectory } from "./store-fixture.ts";

const workers: Worker[] = [];

vi.mock("node:worker_threads", async (importOriginal) => {
  const original = await importOriginal<typeof import("node:worker_threads")>();
  class KnownWorker extends original.Worker {
    constructor(...args: ConstructorParameters<typeof original.Worker>) {
      super(...args);
      workers.push(this);
    }
  }
  return { ...original, Worker: KnownWorker };
});

async function open(): Promise<{ engine: StorageEngine; thread: Worker }> {
  const engine = await openRocksdbEngine(await newDirectory());
  onTestFinished(() => engine.close());
  const thread = workers.at(-1);
  if (thread === undefined) throw new Error("no thread was started");
  return { engine, thread };
}

const row = (at: number, bytes = 10) =>
  ({ type: "put", key: Uint8Array.of(3, at), value: new Uint8Array(bytes) }) as const;
const failed = expect.objectContaining({ code: "WRITE_FAILED" });

test("when the thread dies, the writes under way and all later ones fail, and reads and the close do not", async () => {
  const { engine, thread } = await open();
  await engine.write([row(1)]);
  const writes = Array.from({ length: 50 }, (_, at) => engine.write([row(at + 2, 100_000)]));
  const outcomes = Promise.allSettled(writes);
  await thread.terminate();
  const settled = await outcomes;
  const first = settled.findIndex(({ status }) => status === "rejected");
  expect(first).toBeGreaterThanOrEqual(0);
  expect(settled.slice(first).every((each) => each.status === "rejected" && each.reason.code === "WRITE_FAILED")).toBe(
    true,
  );
  await expect(engine.write([row(1)])).rejects.toThrow(failed);
  await expect(engine.clear({ start: Uint8Array.of(3), end: Uint8Array.of(4) })).rejects.toThrow(failed);
  await engine.close();
});

test("a thread that died while nothing was written is noticed by the next write", async () => {
  const { engine, thread } = await open();
  await engine.write([row(1)]);
  await thread.terminate();
  await expect(engine.write([row(2)])).rejects.toThrow(failed);
  expect(() => engine.get(Uint8Array.of(3, 1))).toThrow(failed);
});

test("an engine that is closed in the middle of writes, a removal, an iteration and a snapshot ends them all", async () => {
  const { engine } = await open();
  await engine.write(Array.from({ length: 200 }, (_, at) => row(at, 1000)));
  const everything = { start: Uint8Array.of(3), end: Uint8Array.of(4) };
  const iteration = engine.iterate(everything, { pageBytes: 1000 })[Symbol.asyncIterator]();
  const ahead = engine.iterate(everything, { pageBytes: 1000, readAhead: true })[Symbol.asyncIterator]();
  const snapshot = engine.snapshot();
  const left = snapshot.iterate(everything, { pageBytes: 1000 })[Symbol.asyncIterator]();
  for (const each of [iteration, ahead, left]) expect((await each.next()).done).toBe(false);
  const writing = engine.write([row(250, 1_000_000)]);
  const clearing = engine.clear(everything);
  const reading = [iteration.next(), ahead.next(), left.next()].map((next) => next.catch((error: Error) => error));
  await engine.close();
  await Promise.all([writing, clearing]);
  for (const read of await Promise.all(reading)) {
    if (read instanceof Error) expect(read).toMatchObject({ code: "STORE_CLOSED" });
  }
  await snapshot.close();
});
