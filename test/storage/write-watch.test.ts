import { expect, test } from "vitest";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { WriteWatch } from "../../src/storage/write-watch.ts";
import { batch, openOver, term } from "./store-fixture.ts";

/** A promise and how to settle it. */
function pending() {
  let [resolve, reject] = [() => {}, (_error: unknown) => {}];
  const promise = new Promise<void>((...settle) => {
    [resolve, reject] = settle;
  });
  return { promise, resolve, reject };
}

test("the oldest write under way has its number until it ends, however it does", async () => {
  const watch = new WriteWatch();
  expect(watch.oldest).toBeUndefined();
  const [first, second] = [pending(), pending()];
  const watched = [first, second].map(({ promise }) => watch.watch(() => promise));
  expect(watch.oldest).toBe(1);
  second.resolve();
  await watched[1];
  expect(watch.oldest).toBe(1);
  first.reject(new Error("no space left"));
  await expect(watched[0]).rejects.toThrow("no space left");
  expect(watch.oldest).toBeUndefined();
});

test("a store tells the same number for as long as a write hangs, and another one for the next", async () => {
  const hang = pending();
  let hangs = false;
  const engine = openMemoryEngine(new MemoryRows());
  const write: typeof engine.write = async (changes) => {
    if (hangs) await hang.promise;
    await engine.write(changes);
  };
  const store = await openOver(new MemoryRows(), { engine: { ...engine, write } });
  await store.write(batch({ hardState: term(1) }));
  expect(store.oldestWrite).toBeUndefined();
  hangs = true;
  const written = store.write(batch({ hardState: term(2) }));
  const number = store.oldestWrite;
  expect(number).toBeGreaterThan(1);
  const remembered = store.rememberPeerDirectory("b", "1");
  expect(store.oldestWrite).toBe(number);
  hang.resolve();
  await Promise.all([written, remembered]);
  expect(store.oldestWrite).toBeUndefined();
});
