import { votersOnly } from "../../src/raft/configuration.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { EngineFile } from "../../src/storage/engine-home.ts";
import type {
  FilesPart,
  SnapshotChunk,
  SnapshotChunkRequest,
  SnapshotRow,
} from "../../src/transport/snapshot-transfer.ts";

/** Where the snapshots of these tests stand. */
export const baseOfTests: LogBase = {
  index: 40,
  term: 3,
  configuration: { index: 12, configuration: votersOnly([{ id: "a", name: "a", peerAddress: "a:1" }]) },
};

/** A request for the first rows of a new snapshot. */
export function firstChunk(overrides: Partial<SnapshotChunkRequest> = {}): SnapshotChunkRequest {
  return { snapshotId: null, minIndex: 1, engine: null, after: null, offset: 0, bytesMax: 1 << 20, ...overrides };
}

/** Some rows, each with its number. */
export function chunkOf(numbers: readonly number[], overrides: Partial<SnapshotChunk> = {}): SnapshotChunk {
  const rows = numbers.map((number) => [Uint8Array.of(7, number), new Uint8Array(number).fill(number)] as const);
  return rowsChunk(rows, overrides);
}

/** These rows. */
export function rowsChunk(rows: readonly SnapshotRow[], overrides: Partial<SnapshotChunk> = {}): SnapshotChunk {
  return {
    snapshotId: "s1",
    base: baseOfTests,
    part: { type: "rows", rows },
    done: false,
    totalBytes: 1234,
    ...overrides,
  };
}

/** The files that the snapshots in files of these tests come to. */
export const filesOfTests: readonly EngineFile[] = [
  { name: "000005.ldb", size: 700 },
  { name: "000007.log", size: 0 },
  { name: "CURRENT", size: 16 },
];

/** The bytes of `filesOfTests` from `start` to `end`, each with its place as its value; with their list where they begin. */
export function filesChunk(
  start: number,
  end: number,
  { files, data, ...overrides }: Partial<SnapshotChunk & Omit<FilesPart, "type">> = {},
): SnapshotChunk {
  const totalBytes = filesOfTests.reduce((sum, { size }) => sum + size, 0);
  const part: FilesPart = {
    type: "files",
    files: files ?? (start === 0 ? filesOfTests : []),
    data: data ?? Uint8Array.from({ length: end - start }, (_, i) => start + i),
  };
  return { snapshotId: "s1", base: baseOfTests, part, done: end === totalBytes, totalBytes, ...overrides };
}

/** The rows of a chunk that has some. */
export function rowsOf({ part }: SnapshotChunk): readonly SnapshotRow[] {
  if (part.type !== "rows") throw new Error("a part of files");
  return part.rows;
}
