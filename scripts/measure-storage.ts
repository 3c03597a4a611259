// Measures the store on this machine: synced batches by size, the open of a long log, reads and a catch-up.
// Run: node --experimental-transform-types scripts/measure-storage.ts [directory]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "../src/lib/logger.ts";
import { votersOnly } from "../src/raft/configuration.ts";
import type { Entry } from "../src/raft/entry.ts";
import type { MemberStore } from "../src/storage/member-store.ts";
import { openMemberStore } from "../src/storage/open-member-store.ts";

const payload = Buffer.alloc(256, 7);
const openEntries = 500_000;

const root = await mkdtemp(join(process.argv[2] ?? tmpdir(), "raftkv-measure-"));
try {
  for (const size of [1, 16, 128]) await measureWrites(size);
  await measureOpen();
} finally {
  await rm(root, { recursive: true });
}

function open(name: string): Promise<MemberStore> {
  const memberId = "00000000000000a1";
  const bootstrapConfiguration = votersOnly([{ id: memberId, name: "n1", peerAddress: "localhost:7001" }]);
  return openMemberStore({
    directory: join(root, name),
    engineName: "classic-level",
    chooseOwner: async () => ({ clusterId: "00000000000000c1", memberId, bootstrapConfiguration }),
    logger: silentLogger,
  });
}

/** Turns of `size` entries, each with a hard state and a state row an entry, as a busy replica writes them. */
async function writeTurns(store: MemberStore, size: number, until: (written: number) => boolean): Promise<number> {
  let written = 0;
  while (!until(written)) {
    const first = written + 1;
    const entries: Entry[] = [];
    for (let index = first; index < first + size; index += 1) {
      entries.push({ kind: "command", index, term: 1, timeMs: 0, command: payload });
    }
    const stateChanges = entries.slice(0, first === 1 ? 0 : size).map(({ index }) => {
      return { type: "put" as const, key: Buffer.from(`key-${index % 100_000}`), value: payload };
    });
    await store.write({
      hardState: { term: 1, votedFor: null, commitIndex: written },
      entries,
      stateChanges,
      appliedIndex: written,
    });
    written += size;
  }
  return written;
}

async function measureWrites(size: number): Promise<void> {
  const store = await open(`write-${size}`);
  const start = performance.now();
  const cpu = process.cpuUsage();
  const written = await writeTurns(store, size, () => performance.now() - start > 4000);
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  report(`write, ${size} entries of 256 B and as many state rows a turn`, {
    "entries/s": Math.round(written / seconds),
    "turns/s": Math.round(written / size / seconds),
    "CPU us/entry": ((user + system) / written).toFixed(1),
  });
  await store.close();
}

async function measureOpen(): Promise<void> {
  const writer = await open("open");
  await writeTurns(writer, 1000, (written) => written >= openEntries);
  await writer.close();
  const start = performance.now();
  const cpu = process.cpuUsage();
  const store = await open("open");
  const ms = performance.now() - start;
  const { user, system } = process.cpuUsage(cpu);
  report(`open and verify ${openEntries} entries`, {
    ms: Math.round(ms),
    "entries/s": Math.round((openEntries / ms) * 1000),
    "CPU us/entry": ((user + system) / openEntries).toFixed(1),
    "RSS MiB": Math.round(process.memoryUsage().rss / 2 ** 20),
  });
  const read = performance.now();
  for (let from = 1; from <= openEntries; from += 1000) await store.readEntries(from, from + 999, 2 ** 30);
  report("read all of them, 1000 at a time", {
    "entries/s": Math.round((openEntries / (performance.now() - read)) * 1000),
  });
  const get = performance.now();
  for (let at = 0; at < 100_000; at += 1) store.stateRow(Buffer.from(`key-${(at * 7919) % 100_000}`));
  report("read a state row", { "us/row": ((performance.now() - get) / 100).toFixed(1) });
  await store.close();
}

function report(what: string, figures: Readonly<Record<string, number | string>>): void {
  process.stdout.write(`${what}: ${JSON.stringify(figures)}\n`);
}
