import { expect, test } from "vitest";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { readIdentity } from "../../src/storage/meta-rows.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import { baseAt, fill, rowsOf, sourceAt } from "./snapshot-fixture.ts";
import { batch, command, openOver } from "./store-fixture.ts";

const formatOf = (rows: MemoryRows): number => readIdentity(rows.get(metaKeys.identity) ?? Buffer.of()).formatVersion;

/** Rows of the meta space, by the second byte of their key. */
const metaRows = (rows: MemoryRows): (number | undefined)[] =>
  rows
    .snapshot()
    .filter(([key]) => key[0] === 1)
    .map(([key]) => key[1]);

test("a directory stays in the oldest format until it has a row that this does not have", async () => {
  const rows = new MemoryRows();
  let store = await openOver(rows);
  await fill(store, 10, 10);
  await store.rememberPeerDirectory("b", "1");
  await store.close();
  store = await openOver(rows);
  expect([formatOf(rows), metaRows(rows)]).toEqual([1, [1, 2, 3]]);
  await store.compact(baseAt(5, 1));
  expect([formatOf(rows), metaRows(rows)]).toEqual([2, [1, 2, 3, 4]]);
  await store.close();
  store = await openOver(rows);
  await store.write(batch({ entries: [command(11, 1)] }));
  expect(formatOf(rows)).toBe(2);
});

test("the format comes in the same batch as the first such row, and only with that", async () => {
  for (const part of ["compact", "begin"] as const) {
    const rows = new MemoryRows();
    const inner = openMemoryEngine(rows);
    const written: string[][] = [];
    const engine: typeof inner = {
      ...inner,
      write(changes) {
        written.push(changes.map(({ key }) => Buffer.from(key.subarray(0, 2)).toString("hex")));
        return inner.write(changes);
      },
    };
    const store = await openOver(rows, { engine });
    await fill(store, 10, 10);
    written.length = 0;
    if (part === "compact") await store.compact(baseAt(5, 1));
    else await store.beginInstallation(sourceAt(50, 1));
    expect(written[0]).toEqual(part === "compact" ? ["0101", "0104", "0103"] : ["0101", "0105"]);
    expect(formatOf(rows)).toBe(2);
    written.length = 0;
    await store.compact(baseAt(7, 1));
    const installation = await store.beginInstallation(sourceAt(60, 1));
    await installation.addRows(rowsOf(1, 2));
    await installation.finish(() => {});
    expect(written.flat().filter((key) => key === "0101")).toEqual([]);
    expect(metaRows(rows)).toEqual([1, 2, 3, 4]);
  }
});
