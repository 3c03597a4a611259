import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { silentLogger } from "../../src/lib/logger.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { CommandEntry, ConfigurationEntry, Entry, Index, NoopEntry, Term } from "../../src/raft/entry.ts";
import type { RowsInstallation } from "../../src/storage/installation.ts";
import type { MemberStore, StoreBatch } from "../../src/storage/member-store.ts";
import { MemoryRows, openMemoryEngine } from "../../src/storage/memory-engine.ts";
import { type OpenMemberStoreOptions, openMemberStore, type StoreOwner } from "../../src/storage/open-member-store.ts";
import { type OpenStoreOverOptions, openStoreOver } from "../../src/storage/open-store-over.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import type { Watermark, WatermarkFile } from "../../src/storage/watermark.ts";

/** The cluster that fixtures belong to. */
export const bootstrapConfiguration = votersOnly([
  { id: "00000000000000a1", name: "n1", peerAddress: "n1.example:7001" },
  { id: "00000000000000a2", name: "n2", peerAddress: "n2.example:7001" },
]);

const owner = { clusterId: "00000000000000c1", memberId: "00000000000000a1", bootstrapConfiguration };
const logger = silentLogger;

/** Opens a store in a directory, and closes it when the test ends. */
export async function openIn(
  directory: string,
  options: Partial<StoreOwner & OpenMemberStoreOptions> = {},
): Promise<MemberStore> {
  const { clusterId, memberId, bootstrapConfiguration, ...rest } = { ...owner, ...options };
  const chooseOwner = async () => ({ clusterId, memberId, bootstrapConfiguration });
  const store = await openMemberStore({ directory, engineName: "classic-level", logger, chooseOwner, ...rest });
  onTestFinished(() => store.close().catch(() => {}));
  return store;
}

/** Opens a store over rows in memory, without a watermark unless one is given. */
export async function openOver(rows: MemoryRows, options: Partial<OpenStoreOverOptions> = {}): Promise<MemberStore> {
  const engine = openMemoryEngine(rows);
  return openStoreOver({ ...owner, logger, engine, newDirectoryId: () => "d".repeat(32), ...options });
}

/** The installation of a store, which has to be one in rows. */
export function rowsBegun({ installation }: MemberStore): RowsInstallation {
  if (installation?.type !== "rows") throw new Error("nothing is being installed in rows");
  return installation;
}

/** Rows of their own with the same content: the disk as a crash at this moment would leave it. */
export function copyOf(rows: MemoryRows): MemoryRows {
  const copy = new MemoryRows();
  for (const [key, value] of rows.snapshot()) copy.apply({ type: "put", key, value });
  return copy;
}

/** A directory that goes away with the test. */
export async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "raftkv-store-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** A watermark file that is a variable, with a log of what was written to it. */
export class MemoryWatermarkFile implements WatermarkFile {
  readonly written: Watermark[] = [];
  failure: Error | undefined;

  async read(): Promise<Watermark | undefined> {
    return this.written.at(-1);
  }

  async write(watermark: Watermark): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.written.push(watermark);
  }

  async close(): Promise<void> {}
}

/** A batch of nothing but what is given. */
export function batch(parts: Partial<StoreBatch>): StoreBatch {
  return { entries: [], stateChanges: [], ...parts };
}

/** A command entry whose payload tells it from others of its index. */
export function command(index: Index, term: Term, text = `command ${index} of term ${term}`): CommandEntry {
  return { kind: "command", index, term, timeMs: 1_700_000_000_000 + index, command: Buffer.from(text) };
}

/** Command entries from `first` to `last`. */
export function commands(first: Index, last: Index, term: Term): CommandEntry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => command(first + at, term));
}

/** An empty entry. */
export function noop(index: Index, term: Term): NoopEntry {
  return { kind: "noop", index, term, timeMs: 1_700_000_000_000 };
}

/** A configuration entry that adds a learner. */
export function configuration(index: Index, term: Term): ConfigurationEntry {
  const learner = { id: "00000000000000a3", name: "n3", peerAddress: "n3.example:7001" };
  const members = [...bootstrapConfiguration.members, learner];
  const value = { ...bootstrapConfiguration, learners: [learner.id], members };
  return { kind: "configuration", index, term, timeMs: 1_700_000_000_000, configuration: value };
}

/** A hard state without a vote. */
export function term(value: Term, commitIndex = 0): NonNullable<StoreBatch["hardState"]> {
  return { term: value, votedFor: null, commitIndex };
}

/** A state row to put. */
export function put(key: string, value: string): RowChange {
  return { type: "put", key: Buffer.from(key), value: Buffer.from(value) };
}

/** Everything that a store answers, in plain values that compare. */
export async function contentOf(store: MemberStore, lastIndex: Index): Promise<unknown> {
  const first = store.logFirstIndex;
  const entries = lastIndex < first ? [] : await store.readEntries(first, lastIndex, Number.MAX_SAFE_INTEGER);
  const rows: string[][] = [];
  for await (const row of store.iterateState({ start: Buffer.of(), end: Buffer.alloc(8, 0xff) }))
    rows.push(textOf(row));
  return { identity: store.identity, entries: entries.map(plainEntry), rows };
}

function textOf([key, value]: Row): string[] {
  return [Buffer.from(key).toString("latin1"), Buffer.from(value).toString("latin1")];
}

/** An entry with its command as text. */
export function plainEntry(entry: Entry): unknown {
  return entry.kind === "command" ? { ...entry, command: Buffer.from(entry.command).toString("latin1") } : entry;
}
