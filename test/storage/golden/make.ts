// Makes a golden data directory and tells beside it, in expected.json, what was put there. Those in this folder stay as they
// are: they stand for data that earlier versions wrote, and each new format adds its own. "format-1" was made with the code
// before there was any other format.
//   node --experimental-transform-types --disable-warning=ExperimentalWarning test/storage/golden/make.ts NAME
// A name that begins with "rocksdb-" makes the same with RocksDB.
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { silentLogger } from "../../../src/lib/logger.ts";
import { votersOnly } from "../../../src/raft/configuration.ts";
import type { Entry, HardState } from "../../../src/raft/entry.ts";
import type { LogBase } from "../../../src/raft/log-base.ts";
import type { Divergence } from "../../../src/storage/divergence.ts";
import type { EngineName } from "../../../src/storage/engine-directory.ts";
import type { MemberStore } from "../../../src/storage/member-store.ts";
import { openMemberStore } from "../../../src/storage/open-member-store.ts";
import type { Row } from "../../../src/storage/storage-engine.ts";
import { type CommandInit, Driver, del, encodeCommand, increment, put, requestId } from "../../kv/driver.ts";

const name = process.argv[2] ?? "";
const rocksdbPrefix = /^rocksdb-/;
const engineName: EngineName = rocksdbPrefix.test(name) ? "rocksdb" : "classic-level";

const members = ["a", "b", "c"].map((name) => ({
  id: `00000000000000${name}1`,
  name,
  peerAddress: `${name}.example:7001`,
}));
const bootstrapConfiguration = votersOnly(members.slice(0, 2));
const owner = { clusterId: "00000000000000c1", memberId: "00000000000000a1", bootstrapConfiguration };
const grown = { ...bootstrapConfiguration, members, learners: ["00000000000000c1"] };
const timeMs = 1_700_000_000_000;

/** What goes into the log, entry 1 first; the third is a configuration. */
const commands: readonly (CommandInit | "noop" | "configuration")[] = [
  "noop",
  put("apple", "red", { id: requestId("client 1", 1) }),
  "configuration",
  put("pear", new Uint8Array([0, 255, 128]), { id: requestId("client 1", 2) }),
  increment("counter", 5n, { id: requestId("client 2", 1) }),
  put("apple", "green", { id: requestId("client 1", 3, 2) }),
  increment("counter", 7n, { id: requestId("client 2", 2) }),
  del("pear", { previous: true, id: requestId("client 1", 4, 2) }),
  put("plum", "blue"),
  increment("counter", -2n, { id: requestId("client 2", 3, 2) }),
  "noop",
  put("quince", "yellow", { id: requestId("client 3", 1) }),
];

/** Entries applied in the directories whose state is their own. */
const appliedAtEnd = 10;

function entryAt(index: number): Entry {
  const command = commands[index - 1] ?? put(`key ${index}`, `value ${index}`);
  const head = { index, term: index < 11 ? 2 : 3, timeMs: timeMs + index };
  if (command === "noop") return { kind: "noop", ...head };
  if (command === "configuration") return { kind: "configuration", ...head, configuration: grown };
  return { kind: "command", ...head, command: encodeCommand(command) };
}

function entries(first: number, last: number): Entry[] {
  return Array.from({ length: last - first + 1 }, (_, at) => entryAt(first + at));
}

/** State rows after the first `index` commands. */
function stateAt(index: number): Row[] {
  const driver = new Driver();
  for (let at = 1; at <= index; at += 1) {
    const command = commands[at - 1] ?? put(`key ${at}`, `value ${at}`);
    driver.index = at - 1;
    driver.timeMs = timeMs + at;
    if (typeof command !== "string") driver.applyBytes(command);
  }
  const rows = [...driver.rows.snapshot()].map(([key, value]): Row => [Buffer.from(key, "latin1"), value]);
  return rows.sort(([a], [b]) => Buffer.compare(a, b));
}

/** What a directory holds, in values that JSON keeps. */
interface Expected {
  readonly hardState: HardState;
  readonly base: { readonly index: number; readonly term: number; readonly configurationIndex: number };
  readonly appliedIndex: number;
  readonly entries: readonly Entry[];
  readonly state: readonly Row[];
  readonly installation: { readonly snapshotId: string; readonly rows: readonly Row[] } | null;
  /** Only where the state was found to be wrong. */
  readonly divergence?: Divergence;
}

const hardState = (commitIndex: number): HardState => ({ term: 3, votedFor: "00000000000000b1", commitIndex });
const none = { index: 0, term: 0, configurationIndex: 0 };
const base = (index: number): LogBase => ({
  index,
  term: entryAt(index).term,
  configuration: { index: 3, configuration: grown },
});
const source = (index: number) => ({ snapshotId: `snapshot ${index}`, from: "00000000000000b1", base: base(index) });

/** Twelve entries, ten of them applied, written in two lives so that there is a table and a log. */
async function fill(directory: string): Promise<MemberStore> {
  const first = await open(directory);
  await first.write({
    hardState: { term: 2, votedFor: null, commitIndex: 0 },
    entries: entries(1, 4),
    stateChanges: [],
  });
  await first.write({ entries: entries(5, 10), stateChanges: changesTo(4), appliedIndex: 4 });
  await first.rememberPeerDirectory("00000000000000b1", "b".repeat(32));
  await first.close();
  const second = await open(directory);
  await second.write({ hardState: hardState(appliedAtEnd), entries: entries(11, 12), stateChanges: [] });
  await second.write({ entries: [], stateChanges: changesTo(appliedAtEnd), appliedIndex: appliedAtEnd });
  return second;
}

function changesTo(index: number) {
  const before = stateAt(4);
  const after = stateAt(index);
  const kept = new Set(after.map(([key]) => Buffer.from(key).toString("hex")));
  const removed = index > 4 ? before.filter(([key]) => !kept.has(Buffer.from(key).toString("hex"))) : [];
  return [
    ...removed.map(([key]) => ({ type: "delete", key }) as const),
    ...after.map(([key, value]) => ({ type: "put", key, value }) as const),
  ];
}

/** Each kind of directory, and what it has to hold in the end. */
const makers: Readonly<Record<string, (directory: string) => Promise<[MemberStore, Partial<Expected>]>>> = {
  "format-1": async (directory) => [await fill(directory), {}],
  compacted: fillAndCompact,
  // As rocksdb-two-families: the directories for RocksDB before it had a third family for some of the rows.
  "two-families": fillAndCompact,
  installed: async (directory) => {
    const store = await fill(directory);
    const installation = await store.beginInstallation(source(20));
    await installation.addRows(stateAt(20));
    await installation.finish(() => {});
    await store.write({ entries: entries(21, 23), stateChanges: [] });
    const held = { hardState: hardState(20), appliedIndex: 20, state: stateAt(20), entries: entries(21, 23) };
    return [store, { ...held, base: { index: 20, term: 3, configurationIndex: 3 } }];
  },
  diverged: async (directory) => {
    const store = await fill(directory);
    const divergence = { index: 8, hash: "a".repeat(64), majorityHash: "b".repeat(64) };
    await store.markDiverged(divergence);
    return [store, { divergence }];
  },
  // "installing" was made with code that counted the rows in every batch.
  installing: fillInPart,
  "installing-uncounted": fillInPart,
};

async function fillAndCompact(directory: string): Promise<[MemberStore, Partial<Expected>]> {
  const store = await fill(directory);
  await store.compact(base(7));
  return [store, { base: { index: 7, term: 2, configurationIndex: 3 }, entries: entries(8, 12) }];
}

/** Rows of a snapshot are there, not all of them, and not all counted by the row of the installation. */
async function fillInPart(directory: string): Promise<[MemberStore, Partial<Expected>]> {
  const store = await fill(directory);
  await store.compact(base(5));
  const installation = await store.beginInstallation(source(20));
  const rows = stateAt(20).slice(0, 6);
  await installation.addRows(rows);
  const held = { entries: entries(6, 12), installation: { snapshotId: "snapshot 20", rows } };
  return [store, { ...held, base: { index: 5, term: 2, configurationIndex: 3 } }];
}

function open(directory: string): Promise<MemberStore> {
  return openMemberStore({
    directory,
    engineName,
    logger: silentLogger,
    chooseOwner: async () => owner,
  });
}

/** Bytes as hexadecimal digits. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  // A Buffer comes as what its toJSON gives.
  if (typeof value !== "object" || value === null || !("type" in value) || value.type !== "Buffer") return value;
  return "data" in value && Array.isArray(value.data) ? Buffer.from(value.data).toString("hex") : value;
}

const make = makers[name.replace(rocksdbPrefix, "")];
if (make === undefined) throw new Error(`give one of ${Object.keys(makers).join(", ")}`);
const directory = join(import.meta.dirname, name);
await rm(directory, { recursive: true, force: true });
await mkdir(directory);
const [store, held] = await make(directory);
const expected: Expected = {
  hardState: hardState(appliedAtEnd),
  base: none,
  appliedIndex: appliedAtEnd,
  entries: entries(1, 12),
  state: stateAt(appliedAtEnd),
  installation: null,
  ...held,
};
await store.close();
await writeFile(join(directory, "expected.json"), `${JSON.stringify(expected, plain, 2)}\n`);
// What an engine tells about itself and what it locks is no data.
const engine = join(directory, `engine-${engineName}`);
for (const file of await readdir(engine)) if (/^LO(?:G|CK)/.test(file)) await rm(join(engine, file));
