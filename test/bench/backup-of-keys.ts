import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { encodePairRow } from "../../src/kv/pair.ts";
import { pairKey, summaryKey } from "../../src/kv/row-keys.ts";
import { emptySummary, encodeSummary } from "../../src/kv/summary.ts";
import { votersOnly } from "../../src/raft/configuration.ts";
import type { Row } from "../../src/storage/storage-engine.ts";
import { writeBackup } from "../../src/storage/write-backup.ts";
import { keyPlace, nameOfPlace, valueAt } from "./key-load.ts";

const rowsOfPage = 512;

/** Writes a backup that holds what a load of so many keys would have come to; resolves to the bytes of keys and values. */
export async function writeBackupOfKeys(path: string, keys: number, valueBytes: number): Promise<number> {
  const bytes = keys * (nameOfPlace(0).length + valueBytes);
  const base = { index: keys + 1, term: 1, configuration: { index: 1, configuration: votersOnly([]) } };
  const facts = { clusterId: "0".repeat(16), memberName: "bench", version: "0.0.0", timeMs: Date.now(), base };
  const snapshot = {
    appliedIndex: base.index,
    get: () => undefined,
    rows: () => pagesOf(keys, valueBytes, bytes),
    close: async () => {},
  };
  await pipeline(Readable.from(writeBackup({ ...facts, revision: keys }, snapshot)), createWriteStream(path));
  return bytes;
}

/** Rows in the order of their keys: those of the pairs, then the one that sums them up. */
async function* pagesOf(keys: number, valueBytes: number, sizeBytes: number): AsyncGenerator<readonly Row[]> {
  const places = Uint32Array.from({ length: keys }, (_, number) => keyPlace(number)).sort();
  for (let from = 0; from < keys; from += rowsOfPage) {
    yield Array.from(places.subarray(from, from + rowsOfPage), (place, at): Row => {
      const revision = BigInt(from + at + 1);
      const value = { data: valueAt(from + at, valueBytes), text: false };
      const pair = { value, createRevision: revision, modRevision: revision, version: 1n };
      return [pairKey(Buffer.from(nameOfPlace(place))), encodePairRow(pair)];
    });
  }
  const summary = { ...emptySummary, revision: BigInt(keys), timeMs: Date.now(), keys, sizeBytes };
  yield [[summaryKey, encodeSummary(summary)]];
}
