import { votersOnly } from "../../src/raft/configuration.ts";
import type { LogBase } from "../../src/raft/log-base.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../../src/transport/snapshot-transfer.ts";

/** Where the snapshots of these tests stand. */
export const baseOfTests: LogBase = {
  index: 40,
  term: 3,
  configuration: { index: 12, configuration: votersOnly([{ id: "a", name: "a", peerAddress: "a:1" }]) },
};

/** A request for the first rows of a new snapshot. */
export function firstChunk(overrides: Partial<SnapshotChunkRequest> = {}): SnapshotChunkRequest {
  return { snapshotId: null, minIndex: 1, after: null, bytesMax: 1 << 20, ...overrides };
}

/** Some rows, each with its number. */
export function chunkOf(numbers: readonly number[], overrides: Partial<SnapshotChunk> = {}): SnapshotChunk {
  const rows = numbers.map((number) => [Uint8Array.of(7, number), new Uint8Array(number).fill(number)] as const);
  return { snapshotId: "s1", base: baseOfTests, rows, done: false, totalBytes: 1234, ...overrides };
}
