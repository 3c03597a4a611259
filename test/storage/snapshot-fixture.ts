import { join } from "node:path";
import { onTestFinished } from "vitest";
import type { Index, Term } from "../../src/raft/entry.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import { openClassicLevelEngine } from "../../src/storage/classic-level-engine.ts";
import type { InstallationSource } from "../../src/storage/installation.ts";
import type { MemberStore } from "../../src/storage/member-store.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { openRocksdbEngine } from "../../src/storage/open-rocksdb-engine.ts";
import { everyRow, generationOf, logKeyIndex } from "../../src/storage/row-keys.ts";
import type { StateSnapshot } from "../../src/storage/state-snapshot.ts";
import type { Row, StorageEngine } from "../../src/storage/storage-engine.ts";
import type { WatermarkFile } from "../../src/storage/watermark.ts";
import { watermarkFileAt } from "../../src/storage/watermark-file.ts";
import {
  batch,
  bootstrapConfiguration,
  commands,
  MemoryWatermarkFile,
  newDirectory,
  openOver,
  put,
  term,
} from "./store-fixture.ts";

/** What a store may be opened on, again and again. */
export interface Disk {
  /** Opens a store, or makes it; closed when the test ends. */
  open(): Promise<MemberStore>;
  /** Resolves when nothing is being removed in the background any more. */
  swept(): Promise<void>;
  /** Every row that is there; the store must be closed. */
  rows(): Promise<readonly Row[]>;
}

/** A disk of each kind. */
export const diskKinds: readonly (readonly [name: string, make: () => Promise<Disk>])[] = [
  [
    "memory",
    async () => {
      const rows = new MemoryRows();
      const watermarkFile = new MemoryWatermarkFile();
      return diskOver(
        async () => openMemoryEngine(rows),
        () => watermarkFile,
      );
    },
  ],
  ["classic-level", () => diskIn(openClassicLevelEngine)],
];

/** A disk with RocksDB: opening it takes long, so that one test has to do. */
export const rocksdbDisk = (): Promise<Disk> => diskIn(openRocksdbEngine);

async function diskIn(openEngine: (directory: string) => Promise<StorageEngine>): Promise<Disk> {
  const directory = await newDirectory();
  const watermarkPath = join(directory, "durable-watermark");
  return diskOver(
    () => openEngine(join(directory, "engine")),
    () => watermarkFileAt(watermarkPath),
  );
}

function diskOver(openEngine: () => Promise<StorageEngine>, openWatermark: () => WatermarkFile): Disk {
  const clearing = new Set<Promise<void>>();
  return {
    async open() {
      const inner = await openEngine();
      const watermarkFile = openWatermark();
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
      const store = await openOver(new MemoryRows(), { engine, watermarkFile });
      onTestFinished(() => store.close());
      return store;
    },
    async swept() {
      do {
        await Promise.allSettled(clearing);
        // The next removal begins in between.
        await new Promise((resolve) => setImmediate(resolve));
      } while (clearing.size > 0);
    },
    async rows() {
      const engine = await openEngine();
      const found: Row[] = [];
      for await (const page of engine.iterate(everyRow)) found.push(...page);
      await engine.close();
      return found;
    },
  };
}

/** Indexes of the records and generations of the state rows that a disk holds, garbage among them. */
export async function inventory(disk: Pick<Disk, "rows">): Promise<{ log: Index[]; generations: number[] }> {
  const keys = (await disk.rows()).map(([key]) => key);
  const log = keys.flatMap((key) => logKeyIndex(key) ?? []);
  return { log, generations: [...new Set(keys.flatMap((key) => generationOf(key) ?? []))] };
}

/** A base with the bootstrap configuration. */
export function baseAt(index: Index, termOfIt: Term): LogBase {
  return { index, term: termOfIt, configuration: { index: 0, configuration: bootstrapConfiguration } };
}

/** A snapshot that another member holds. */
export function sourceAt(index: Index, termOfIt: Term, snapshotId = `snapshot ${index}`): InstallationSource {
  return { snapshotId, from: "00000000000000a2", base: baseAt(index, termOfIt) };
}

/** A store with entries 1 to `last` of term 1, applied up to `applied` by rows "key i" = "value i". */
export async function fill(store: MemberStore, last: Index, applied: Index): Promise<void> {
  const stateChanges = Array.from({ length: applied }, (_, at) => put(keyOf(at + 1), `value ${at + 1}`));
  await store.write(batch({ hardState: term(1, applied), entries: commands(1, last, 1) }));
  await store.write(batch({ stateChanges, appliedIndex: applied }));
}

/** A key that sorts by its number. */
export function keyOf(number: number): string {
  return `key ${String(number).padStart(5, "0")}`;
}

/** Rows of a snapshot, as another member would send them. */
export function rowsOf(first: number, last: number, text = "installed"): Row[] {
  return Array.from({ length: last - first + 1 }, (_, at) => rowOf(keyOf(first + at), `${text} ${first + at}`));
}

export function rowOf(key: string, value: string): Row {
  return [Buffer.from(key), Buffer.from(value)];
}

/** All state rows as text. */
export async function stateOf(store: MemberStore): Promise<string[]> {
  const found: string[] = [];
  for await (const row of store.iterateState({ start: Buffer.of(), end: Buffer.alloc(8, 0xff) })) found.push(text(row));
  return found;
}

/** The rows of a snapshot as text. */
export async function snapshotRows(
  snapshot: StateSnapshot,
  after: string | null = null,
  pageBytes = 100,
): Promise<string[]> {
  const found: string[] = [];
  const from = after === null ? null : Buffer.from(after);
  for await (const page of snapshot.rows(from, pageBytes)) found.push(...page.map(text));
  return found;
}

/** A row as text. */
export function text([key, value]: Row): string {
  return `${Buffer.from(key).toString("latin1")} = ${Buffer.from(value).toString("latin1")}`;
}
