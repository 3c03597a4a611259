import { expect, test, vi } from "vitest";
import { openClassicLevelEngine } from "../../src/storage/classic-level-engine.ts";
import { newDirectory } from "./store-fixture.ts";

/** How LevelDB was asked to write, batch by batch. */
const asked = vi.hoisted(() => [] as unknown[]);

vi.mock("classic-level", async (importOriginal) => {
  const original = await importOriginal<typeof import("classic-level")>();
  class WatchedLevel<Key, Value> extends original.ClassicLevel<Key, Value> {
    override batch(...args: never[]): never {
      // Only the form that is chained is used; every other would be missing from what was asked.
      expect(args).toEqual([]);
      const batch = super.batch();
      const write = batch.write.bind(batch);
      batch.write = (options?: Parameters<typeof write>[0]) => {
        asked.push(options);
        return options === undefined ? write() : write(options);
      };
      return batch as never;
    }
    override put = (): never => expect.fail("a write outside a batch");
    override del = (): never => expect.fail("a write outside a batch");
    override clear = (): never => expect.fail("LevelDB's own clear does not sync");
  }
  return { ...original, ClassicLevel: WatchedLevel };
});

test("trap 67: every write of LevelDB is synced, removals of whole ranges among them", async () => {
  const engine = await openClassicLevelEngine(await newDirectory());
  const keys = [1, 2, 3].map((byte) => Uint8Array.of(byte));
  await engine.write(keys.map((key) => ({ type: "put", key, value: key })));
  await engine.write([{ type: "delete", key: Uint8Array.of(1) }]);
  await engine.clear({ start: Uint8Array.of(2), end: Uint8Array.of(9) });
  await engine.close();
  expect(asked.length).toBeGreaterThanOrEqual(3);
  expect(asked).toEqual(asked.map(() => ({ sync: true })));
});
