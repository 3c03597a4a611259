// Measures what a snapshot costs at each end, on each engine, without a network between: reading the rows, encoding and
// decoding the chunks, adding them to an installation; and encoding and decoding as many bytes of files. Prints a table of MB/s.
// Run: node --experimental-transform-types scripts/measure-snapshot.ts [--directory DIR] [--engines LIST] [--rows N]

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { votersOnly } from "../src/raft/configuration.ts";
import { type EngineName, engineNames } from "../src/storage/engine-directory.ts";
import type { MemberStore } from "../src/storage/member-store.ts";
import type { Row } from "../src/storage/storage-engine.ts";
import { decodeSnapshotChunk, encodeSnapshotChunk } from "../src/transport/snapshot-codec.ts";
import { openMeasuredStore } from "./open-measured-store.ts";

const { values } = parseArgs({
  options: {
    directory: { type: "string", default: tmpdir() },
    engines: { type: "string", default: engineNames.join(",") },
    rows: { type: "string", default: "300000" },
  },
});
const rowsMax = Number(values.rows);
const [pageBytes, chunkBytes] = [128 * 1024, 1 << 20];
const base = { index: 9, term: 0, configuration: { index: 1, configuration: votersOnly([]) } };
const root = await mkdtemp(join(values.directory, "raftkv-measure-"));

/** Bytes, and the milliseconds of wall clock and of processor that they took, by stage. */
class Stage {
  bytes = 0;
  ms = 0;
  processorMs = 0;

  async run<Result>(bytes: number, work: () => Promise<Result> | Result): Promise<Result> {
    const [startedAt, processor] = [performance.now(), process.cpuUsage()];
    const result = await work();
    const { user, system } = process.cpuUsage(processor);
    this.bytes += bytes;
    this.ms += performance.now() - startedAt;
    this.processorMs += (user + system) / 1000;
    return result;
  }

  toString(): string {
    const rate = (ms: number): string => (this.bytes / 1e3 / ms).toFixed(0);
    return `${rate(this.ms)} MB/s, ${rate(this.processorMs)} MB a processor second`;
  }
}

try {
  const engines = engineNames.filter((name) => values.engines.split(",").includes(name));
  const columns: Record<string, Stage>[] = [];
  for (const engine of engines) columns.push(await measure(engine));
  const lines = Object.keys(columns[0] ?? {}).map((stage) => [stage, ...columns.map((each) => String(each[stage]))]);
  for (const line of [["", ...engines], ["---", ...engines.map(() => "---:")], ...lines]) {
    process.stdout.write(`| ${line.join(" | ")} |\n`);
  }
} finally {
  await rm(root, { recursive: true });
}

async function measure(engine: EngineName): Promise<Record<string, Stage>> {
  const files = { "encode files": new Stage(), "decode files": new Stage() };
  const stages = { add: new Stage(), read: new Stage(), encode: new Stage(), decode: new Stage(), ...files };
  const source = await open(engine, "source");
  await fill(source, stages.add);
  const snapshot = source.openSnapshot();
  let after: Uint8Array | null = null;
  for (let done = false; !done; ) {
    const rows: Row[] = [];
    let bytes = 0;
    const position: Uint8Array | null = after;
    const startedBytes = stages.read.bytes;
    await stages.read.run(0, async () => {
      done = true;
      for await (const page of snapshot.rows(position, pageBytes)) {
        for (const row of page) bytes += row[0].length + row[1].length;
        rows.push(...page);
        done = bytes < chunkBytes;
        if (!done) break;
      }
    });
    stages.read.bytes = startedBytes + bytes;
    const chunk = { snapshotId: "x", base, part: { type: "rows", rows } as const, done, totalBytes: 0 };
    const encoded = await stages.encode.run(bytes, () => encodeSnapshotChunk(chunk));
    const request = { snapshotId: "x", minIndex: 1, engine: null, after: position, offset: 0, bytesMax: chunkBytes };
    await stages.decode.run(bytes, () => decodeSnapshotChunk(encoded, request));
    after = rows.at(-1)?.[0] ?? after;
  }
  await snapshot.close();
  await source.close();
  await sendFiles(stages.read.bytes, files);
  return stages;
}

/** Chunks of one large file. */
async function sendFiles(size: number, stages: Record<"encode files" | "decode files", Stage>): Promise<void> {
  for (let offset = 0; offset < size; offset += chunkBytes) {
    const data = new Uint8Array(Math.min(chunkBytes, size - offset)).fill(offset);
    const part = { type: "files", files: [], data } as const;
    const chunk = { snapshotId: "x", base, part, done: offset + data.length === size, totalBytes: size };
    const encoded = await stages["encode files"].run(data.length, () => encodeSnapshotChunk(chunk));
    const request = { snapshotId: "x", minIndex: 1, engine: "x", after: null, offset, bytesMax: chunkBytes };
    await stages["decode files"].run(data.length, () => decodeSnapshotChunk(encoded, request));
  }
}

/** Rows of 12 and 256 bytes, added and made the state as a follower does it. */
async function fill(store: MemberStore, stage: Stage): Promise<void> {
  const installation = await store.beginInstallation({ snapshotId: "x", from: "00000000000000a2", base });
  const rowsOfChunk = Math.floor(chunkBytes / 268);
  for (let from = 0; from < rowsMax; from += rowsOfChunk) {
    const count = Math.min(rowsOfChunk, rowsMax - from);
    const rows = Array.from({ length: count }, (_, i): Row => {
      return [Buffer.from(String(from + i).padStart(12, "0")), Buffer.alloc(256, from + i)];
    });
    await stage.run(count * 268, () => installation.addRows(rows));
  }
  await installation.finish(() => {});
}

function open(engineName: EngineName, name: string): Promise<MemberStore> {
  return openMeasuredStore(engineName, join(root, `${engineName}-${name}`));
}
