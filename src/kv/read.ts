import { create } from "@bufbuild/protobuf";
import { type Pair, PairSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { decodePairRow } from "./pair.ts";
import { pairKey, summaryKey } from "./row-keys.ts";
import { RowMemo } from "./row-memo.ts";
import type { RowReader } from "./state-rows.ts";
import { decodeSummary, emptySummary, type Summary } from "./summary.ts";

/** The pair under `key`; `undefined` when there is none. Its bytes may be a view of the row and must not be changed. */
export function readPair(readRow: RowReader, key: Uint8Array): Pair | undefined {
  const row = readRow(pairKey(key));
  return row === undefined ? undefined : create(PairSchema, { key, ...decodePairRow(row) });
}

/** The state's summary: revision, log time, sizes and counts. All zero while nothing was applied. */
export function readSummary(readRow: RowReader): Readonly<Summary> {
  return decodeSummary(readRow(summaryKey));
}

/** Reads the summary as {@link readSummary} does, again and again, and decodes its row when it has changed only. */
export function summaryReader(readRow: RowReader): () => Readonly<Summary> {
  const summaries = new RowMemo<Readonly<Summary>>(decodeSummary, 1);
  return () => {
    const row = readRow(summaryKey);
    return row === undefined ? emptySummary : summaries.decode("", row);
  };
}
