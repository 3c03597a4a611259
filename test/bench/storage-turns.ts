// Longest turns of the event loop while a store does what takes long: processor time of the thread, so that a busy machine
// does not count. Run by hand:
//   node --experimental-transform-types --disable-warning=ExperimentalWarning test/bench/storage-turns.ts [records]
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PerformanceObserver, performance } from "node:perf_hooks";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { CommandEntry } from "../../src/raft/entry.ts";
import { openClassicLevelEngine } from "../../src/storage/classic-level-engine.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { openStoreOver } from "../../src/storage/open-store-over.ts";
import type { Row, StorageEngine } from "../../src/storage/storage-engine.ts";

const records = Number(process.argv[2] ?? 500_000);
const commandBytes = 256;
const batchEntries = 1000;

/** Runs `task` and tells the longest turn meanwhile, how many took over 5 ms, and how long the collector of garbage took. */
async function measure(what: string, task: () => Promise<void>): Promise<void> {
  let longestUs = 0;
  let longTurns = 0;
  let turns = 0;
  let running = true;
  let longestGcMs = 0;
  const collections = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) longestGcMs = Math.max(longestGcMs, duration);
  });
  collections.observe({ entryTypes: ["gc"] });
  const watching = (async () => {
    let before = process.threadCpuUsage();
    while (running) {
      await new Promise((resolve) => setImmediate(resolve));
      const { user, system } = process.threadCpuUsage(before);
      before = process.threadCpuUsage();
      longestUs = Math.max(longestUs, user + system);
      if (user + system > 5000) longTurns += 1;
      turns += 1;
    }
  })();
  const startedMs = performance.now();
  await task();
  running = false;
  await watching;
  collections.disconnect();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  const longest = `longest turn ${(longestUs / 1000).toFixed(2)} ms, ${longTurns} of ${turns} over 5 ms`;
  process.stdout.write(`${what}: ${longest}; longest collection ${longestGcMs.toFixed(2)} ms; ${seconds} s\n`);
}

const directory = await mkdtemp(join(tmpdir(), "raftkv-turns-"));
const inner = await openClassicLevelEngine(directory);
const clearing = new Set<Promise<void>>();
const engine: StorageEngine = {
  name: inner.name,
  write: (changes) => inner.write(changes),
  get: (key) => inner.get(key),
  iterate: (range, options) => inner.iterate(range, options),
  snapshot: () => inner.snapshot(),
  close: () => inner.close(),
  clear(range, options) {
    const cleared = inner.clear(range, options);
    clearing.add(cleared);
    const done = (): void => void clearing.delete(cleared);
    cleared.then(done, done);
    return cleared;
  },
};
const bootstrapConfiguration = votersOnly([{ id: "a", name: "a", peerAddress: "a:1" }]);
const store = await openStoreOver({
  engine,
  clusterId: "c",
  memberId: "a",
  bootstrapConfiguration,
  logger: silentLogger,
  newDirectoryId: () => "d".repeat(32),
});
const configuration = { index: 0, configuration: bootstrapConfiguration };

function entries(first: number, count: number, term: number): CommandEntry[] {
  const command = new Uint8Array(commandBytes);
  return Array.from({ length: count }, (_, at) => ({ kind: "command", index: first + at, term, timeMs: 1, command }));
}

async function append(to: MemberStore, first: number, last: number, term: number): Promise<void> {
  for (let index = first; index <= last; index += batchEntries) {
    await to.write({ entries: entries(index, Math.min(batchEntries, last - index + 1), term), stateChanges: [] });
  }
}

async function swept(): Promise<void> {
  do {
    await Promise.allSettled(clearing);
    await new Promise((resolve) => setImmediate(resolve));
  } while (clearing.size > 0);
}

function rowsFrom(first: number, count: number): Row[] {
  return Array.from({ length: count }, (_, at) => {
    const key = Buffer.alloc(8);
    key.writeBigUInt64BE(BigInt(first + at));
    return [key, new Uint8Array(256)] as const;
  });
}

try {
  await store.write({ hardState: { term: 1, votedFor: null, commitIndex: 0 }, entries: [], stateChanges: [] });
  await measure("nothing", () => new Promise((resolve) => setTimeout(resolve, 500)));
  await measure(`append ${records} records in batches of ${batchEntries}`, () => append(store, 1, records, 1));
  await store.write({ entries: [], stateChanges: [], appliedIndex: records });
  await measure("compact", () => store.compact({ index: records, term: 1, configuration }));
  await measure("remove its records", swept);

  await append(store, records + 1, records + 70_000, 1);
  await measure("truncate 70,000 records", () =>
    store.write({ truncateFrom: records + 1, entries: [], stateChanges: [] }),
  );

  const base = { index: 10 * records, term: 1, configuration };
  const installation = await store.beginInstallation({ snapshotId: "s", from: "b", base });
  await measure("add 200,000 rows of a snapshot, 1000 at a time", async () => {
    for (let first = 0; first < 200_000; first += 1000) await installation.addRows(rowsFrom(first, 1000));
  });
  await measure("flip", () => installation.finish(() => {}));
  const snapshot = store.openSnapshot();
  await measure("read the rows of a snapshot in pages of 256 KiB", async () => {
    let count = 0;
    for await (const page of snapshot.rows(null, 256 * 1024)) count += page.length;
    if (count !== 200_000) throw new Error(`${count} rows`);
  });
  await snapshot.close();
  await (
    await store.beginInstallation({ snapshotId: "t", from: "b", base: { ...base, index: base.index + 1 } })
  ).finish(() => {});
  await measure("remove the rows of a generation", swept);
  await store.close();
} finally {
  await rm(directory, { recursive: true });
}
