import { cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import type { Divergence } from "../../src/storage/divergence.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { openMemberStore } from "../../src/storage/open-member-store.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { Driver, increment, put, requestId } from "../kv/driver.ts";
import { MemoryRows } from "../kv/memory-rows.ts";
import { batch, command, newDirectory, rowsBegun } from "./store-fixture.ts";

const folder = join(import.meta.dirname, "golden");
const names = [
  "format-1",
  "compacted",
  "installed",
  "installing",
  "installing-uncounted",
  "diverged",
  "rocksdb-compacted",
  "rocksdb-installing",
  "rocksdb-installing-uncounted",
  "rocksdb-diverged",
  "rocksdb-two-families",
];
const everything = { start: Buffer.of(), end: Buffer.of(0xff) };

/** What expected.json says of a directory; bytes are hexadecimal digits. */
interface Expected {
  readonly hardState: { readonly term: number; readonly votedFor: string; readonly commitIndex: number };
  readonly base: { readonly index: number; readonly term: number; readonly configurationIndex: number };
  readonly appliedIndex: number;
  readonly entries: readonly { readonly index: number; readonly kind: string }[];
  readonly state: readonly (readonly [key: string, value: string])[];
  readonly installation: { readonly snapshotId: string; readonly rows: readonly (readonly [string, string])[] } | null;
  readonly divergence?: Divergence;
}

/** A copy of a golden directory, and what it has to hold. */
async function copyOf(name: string): Promise<{ directory: string; expected: Expected }> {
  const directory = await newDirectory();
  await cp(join(folder, name), directory, { recursive: true });
  const expected: Expected = JSON.parse(await readFile(join(directory, "expected.json"), "utf8"));
  return { directory, expected };
}

async function open(directory: string): Promise<MemberStore> {
  const store = await openMemberStore({
    directory,
    engineName: (await readdir(directory)).includes("engine-rocksdb") ? "rocksdb" : "classic-level",
    logger: silentLogger,
    chooseOwner: async (stored) => stored ?? Promise.reject(new Error("the directory is empty")),
  });
  onTestFinished(() => store.close());
  return store;
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

async function rowsIn(rows: AsyncIterable<Row>): Promise<[string, string][]> {
  const found: [string, string][] = [];
  for await (const [key, value] of rows) found.push([hex(key), hex(value)]);
  return found;
}

/** Compares everything that a store answers. */
async function expectContent(store: MemberStore, expected: Expected): Promise<void> {
  const { base, entries, installation } = expected;
  const { recovered } = store;
  const lastIndex = base.index + entries.length;
  expect(store.identity).toMatchObject({ clusterId: "00000000000000c1", memberId: "00000000000000a1" });
  expect(recovered).toMatchObject({
    hardState: expected.hardState,
    logBase: { index: base.index, term: base.term },
    lastIndex,
    appliedIndex: expected.appliedIndex,
  });
  expect(recovered.baseConfiguration.index).toBe(base.configurationIndex);
  const { voters, learners } = recovered.baseConfiguration.configuration;
  expect(voters).toEqual(["00000000000000a1", "00000000000000b1"]);
  expect(learners).toEqual(base.configurationIndex === 0 ? [] : ["00000000000000c1"]);
  const read = await store.readEntries(base.index + 1, lastIndex, Number.MAX_SAFE_INTEGER);
  const plain = read.map((entry) => (entry.kind === "command" ? { ...entry, command: hex(entry.command) } : entry));
  expect(plain).toEqual(entries);
  expect(await rowsIn(store.iterateState(everything))).toEqual(expected.state);
  expect(store.peerDirectory("00000000000000b1")).toBe("b".repeat(32));
  expect(store.divergence).toEqual(expected.divergence);
  expect(store.installation?.source.snapshotId).toBe(installation?.snapshotId);
  if (store.installation === undefined || installation === null) return;
  expect(await rowsIn(store.installation.iterate(everything))).toEqual(installation.rows);
  expect(hex(rowsBegun(store).lastKey ?? Buffer.of())).toBe(installation.rows.at(-1)?.[0]);
}

describe.each(names)("golden directory %s", (name) => {
  test("is found as it was written", async () => {
    const { directory, expected } = await copyOf(name);
    await expectContent(await open(directory), expected);
  });

  test("is found again after it was written to, compacted, and installed into", async () => {
    const { directory, expected } = await copyOf(name);
    const store = await open(directory);
    const last = store.recovered.lastIndex;
    await store.write(batch({ entries: [command(last + 1, 3)] }));
    const { appliedIndex, baseConfiguration } = store.recovered;
    if (appliedIndex >= store.logFirstIndex) {
      const [entry] = await store.readEntries(appliedIndex, appliedIndex, 1);
      await store.compact({ index: appliedIndex, term: entry?.term ?? 0, configuration: baseConfiguration });
    }
    await store.close();
    const again = await open(directory);
    expect(again.recovered).toMatchObject({ lastIndex: last + 1, logBase: { index: appliedIndex } });
    expect(await rowsIn(again.iterateState(everything))).toEqual(expected.state);

    const base = { index: 100, term: 3, configuration: baseConfiguration };
    const source = { snapshotId: "another", from: "00000000000000b1", base };
    const installation = again.installation === undefined ? await again.beginInstallation(source) : rowsBegun(again);
    await installation.addRows([[Buffer.from("z"), Buffer.from("last")]]);
    await installation.finish(() => {});
    await again.close();
    const installedStore = await open(directory);
    const installed = await rowsIn(installedStore.iterateState(everything));
    // Once found to be wrong, a member is never trusted again, whatever state it has got since.
    expect(installedStore.divergence).toEqual(expected.divergence);
    expect(installed).toEqual([
      ...(expected.installation?.rows ?? []),
      [hex(Buffer.from("z")), hex(Buffer.from("last"))],
    ]);
  });

  test("keeps pairs and sessions: a request of then is not applied again", async () => {
    const { directory } = await copyOf(name);
    const driver = new Driver();
    const rows: [string, Uint8Array][] = [];
    for await (const [key, value] of (await open(directory)).iterateState(everything)) {
      rows.push([Buffer.from(key).toString("latin1"), value]);
    }
    driver.rows = new MemoryRows(driver.machine.indexPrefix, rows);
    driver.timeMs = 1_700_000_100_000;
    expect([driver.value("apple"), driver.value("counter"), driver.value("plum")]).toEqual(["green", "10", "blue"]);
    const { revision } = driver.summary();
    const again = driver.apply(increment("counter", 7n, { id: requestId("client 2", 2, 2) }));
    expect(again.result).toMatchObject({ case: "increment", value: { value: 12n } });
    driver.apply(put("apple", "green", { id: requestId("client 1", 3, 2) }));
    expect([driver.value("counter"), driver.summary().revision]).toEqual(["10", revision]);
    driver.apply(increment("counter", 1n, { id: requestId("client 2", 4, 2) }));
    expect(driver.value("counter")).toBe("11");
  });
});

test("every golden directory is opened", async () => {
  const directories = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
  expect(directories.map((entry) => entry.name).sort()).toEqual([...names].sort());
});
