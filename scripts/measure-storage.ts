// Measures the store on this machine, on each engine: synced turns by size and their stalls, what they cost the disk, the open
// of a long log, reads. Prints a table for docs/storage.md.
// Run: node --experimental-transform-types scripts/measure-storage.ts [--directory DIR] [--engines LIST] [--seconds N]
//        [--open-entries N]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Entry } from "../src/raft/entry.ts";
import { type EngineName, engineNames } from "../src/storage/engine-directory.ts";
import type { MemberStore } from "../src/storage/member-store.ts";
import { diskBytes, writtenBytes } from "../test/bench/process-figures.ts";
import { quantile } from "../test/bench/statistics.ts";
import { openMeasuredStore } from "./open-measured-store.ts";

const { values } = parseArgs({
  options: {
    directory: { type: "string", default: tmpdir() },
    engines: { type: "string", default: engineNames.join(",") },
    seconds: { type: "string", default: "10" },
    "open-entries": { type: "string", default: "500000" },
  },
});
const seconds = Number(values.seconds);
const openEntries = Number(values["open-entries"]);
/** State rows that turns write again and again. */
const rowsMax = 100_000;
const payload = Buffer.alloc(256, 7);

/** A line of the table: what it is, and the figure of each engine. */
type Figures = Map<string, string>;

const root = await mkdtemp(join(values.directory, "raftkv-measure-"));
try {
  const columns: Figures[] = [];
  const engines = engineNames.filter((name) => values.engines.split(",").includes(name));
  for (const engine of engines) columns.push(await measureEngine(engine));
  const lines = [...(columns[0]?.keys() ?? [])].map((what) => [what, ...columns.map((each) => each.get(what) ?? "")]);
  const table = [["", ...engines], ["---", ...engines.map(() => "---:")], ...lines];
  for (const line of table) process.stdout.write(`| ${line.join(" | ")} |\n`);
} finally {
  await rm(root, { recursive: true });
}

async function measureEngine(engine: EngineName): Promise<Figures> {
  const figures: Figures = new Map();
  for (const size of [1, 16, 128]) await measureTurns(engine, size, figures);
  await measureOpen(engine, figures);
  return figures;
}

function open(engineName: EngineName, name: string): Promise<MemberStore> {
  return openMeasuredStore(engineName, join(root, `${engineName}-${name}`));
}

/** What a run of turns came to. */
interface Turns {
  readonly entries: number;
  /** Bytes of entries and rows. */
  readonly bytes: number;
  /** How long each turn took, milliseconds, ascending. */
  readonly turnMs: Float64Array;
}

/** Turns of `size` entries, each with a hard state and a state row an entry, as a busy replica writes them. */
async function writeTurns(store: MemberStore, size: number, until: (entries: number) => boolean): Promise<Turns> {
  const turnMs: number[] = [];
  let entries = 0;
  let bytes = 0;
  while (!until(entries)) {
    const first = entries + 1;
    const appended = Array.from({ length: size }, (_, at): Entry => entryAt(first + at));
    const stateChanges = (first === 1 ? [] : appended).map(({ index }) => {
      return { type: "put" as const, key: Buffer.from(`key-${index % rowsMax}`), value: payload };
    });
    const startedAt = performance.now();
    await store.write({
      hardState: { term: 1, votedFor: null, commitIndex: entries },
      entries: appended,
      stateChanges,
      appliedIndex: entries,
    });
    turnMs.push(performance.now() - startedAt);
    entries += size;
    bytes += size * payload.length + stateChanges.reduce((sum, { key, value }) => sum + key.length + value.length, 0);
  }
  return { entries, bytes, turnMs: Float64Array.from(turnMs).sort() };
}

function entryAt(index: number): Entry {
  return { kind: "command", index, term: 1, timeMs: 0, command: payload };
}

async function measureTurns(engine: EngineName, size: number, figures: Figures): Promise<void> {
  const store = await open(engine, `write-${size}`);
  const startedAt = performance.now();
  const writtenBefore = writtenBytes(process.pid);
  const { entries, bytes, turnMs } = await writeTurns(
    store,
    size,
    () => performance.now() - startedAt > seconds * 1000,
  );
  const took = (performance.now() - startedAt) / 1000;
  await store.close();
  const what = `turns of ${size}`;
  const [p50, p99, most] = [0.5, 0.99, 1].map((q) => quantile(turnMs, q).toFixed(2));
  figures.set(`${what}: entries and rows a second`, Math.round(entries / took).toLocaleString("en"));
  figures.set(`${what}: a turn, p50, p99, most, ms`, `${p50}, ${p99}, ${most}`);
  figures.set(
    `${what}: bytes written to disk a byte`,
    ((writtenBytes(process.pid) - writtenBefore) / bytes).toFixed(2),
  );
}

async function measureOpen(engine: EngineName, figures: Figures): Promise<void> {
  const writer = await open(engine, "open");
  await writeTurns(writer, 1000, (entries) => entries >= openEntries);
  await writer.close();
  const [count, rows] = [openEntries, Math.min(openEntries, rowsMax)].map((each) => each.toLocaleString("en"));
  figures.set(`size of ${count} entries and ${rows} rows, MiB`, await sizeMib(engine));
  const startedAt = performance.now();
  const store = await open(engine, "open");
  figures.set("open and verify them, ms", Math.round(performance.now() - startedAt).toLocaleString("en"));
  const readAt = performance.now();
  for (let from = 1; from <= openEntries; from += 1000) await store.readEntries(from, from + 999, 2 ** 30);
  figures.set("entries read a second, 1000 at a time", perSecond(openEntries, readAt));
  const getAt = performance.now();
  for (let at = 0; at < rowsMax; at += 1) store.stateRow(Buffer.from(`key-${(at * 7919) % rowsMax}`));
  figures.set("rows read a second, one at a time", perSecond(rowsMax, getAt));
  const missingAt = performance.now();
  for (let at = 0; at < rowsMax; at += 1) store.stateRow(Buffer.from(`none-${at}`));
  figures.set("rows looked for a second that are not there", perSecond(rowsMax, missingAt));
  await store.close();
}

async function sizeMib(engine: EngineName): Promise<string> {
  return ((await diskBytes(join(root, `${engine}-open`))) / 2 ** 20).toFixed(0);
}

function perSecond(count: number, startedAt: number): string {
  return Math.round((count * 1000) / (performance.now() - startedAt)).toLocaleString("en");
}
