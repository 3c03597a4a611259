import type { Entry, Index } from "../raft/entry.ts";
import { readBase } from "./base-row.ts";
import { messageOf } from "./check-log.ts";
import { unwrapRow } from "./checksummed-row.ts";
import { readDivergence } from "./divergence.ts";
import { readInstallation } from "./installation-row.ts";
import { checkLoneRecord, damagedEntry, decodeRecord } from "./log-record.ts";
import { readHardState, readIdentity, readPeerDirectory, readProgress } from "./meta-rows.ts";
import { generationOf, logKeyIndex, logRecords, metaKeys, peerRange, stateKeyOf, stateRange } from "./row-keys.ts";
import { withStoppedStore } from "./stopped-store.ts";
import type { KeyRange, Row, RowReader } from "./storage-engine.ts";

/** A row as it is to be read by people; `damaged` tells why one could not be. */
export type DumpedRow =
  | { readonly space: "meta"; readonly name: string; readonly content: object }
  | { readonly space: "peer"; readonly memberId: string; readonly dataDirectoryId: string }
  | { readonly space: "log"; readonly entry: Entry }
  | { readonly space: "state"; readonly generation: number; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly space: DumpSpace; readonly damaged: string };

/** Kinds of rows. */
export type DumpSpace = "meta" | "peer" | "log" | "state";

/** What is dumped. */
export interface DumpOptions {
  readonly spaces: readonly DumpSpace[];
  /** Log entries from here on, and up to `to`. */
  readonly from: Index;
  readonly to: Index;
  /** Rows of each space at most. */
  readonly limit: number;
}

/** Hands the rows of a stopped member's store to `take`, one after another. Rejects as opening a stopped store does. */
export function dumpStore(directory: string, options: DumpOptions, take: (row: DumpedRow) => void): Promise<void> {
  return withStoppedStore(directory, async (rows) => {
    for (const space of options.spaces) {
      if (space === "meta") for (const row of metaRows(rows)) take(row);
      else for await (const row of rowsOf(rows, space, options)) take(row);
    }
  });
}

const metaReaders = {
  identity: readIdentity,
  hardState: readHardState,
  progress: readProgress,
  base: readBase,
  installation: readInstallation,
  divergence: readDivergence,
} as const satisfies Record<keyof typeof metaKeys, (value: Uint8Array) => object>;

function* metaRows(rows: RowReader): Generator<DumpedRow> {
  for (const [name, key] of Object.entries(metaKeys)) {
    const value = rows.get(key);
    if (value === undefined) continue;
    const read = metaReaders[name as keyof typeof metaReaders];
    yield attempt("meta", () => ({ space: "meta", name, content: read(value) }));
  }
}

async function* rowsOf(
  rows: RowReader,
  space: "peer" | "log" | "state",
  options: DumpOptions,
): AsyncGenerator<DumpedRow> {
  const ranges: Record<typeof space, KeyRange> = {
    peer: peerRange,
    log: logRecords(options.from, options.to),
    state: stateRange,
  };
  const read = { peer: readPeer, log: readEntry, state: readState }[space];
  for await (const page of rows.iterate(ranges[space], { limit: options.limit })) {
    for (const row of page) yield attempt(space, () => read(row));
  }
}

function readPeer([key, value]: Row): DumpedRow {
  return { space: "peer", ...readPeerDirectory(key, value) };
}

function readEntry([key, record]: Row): DumpedRow {
  const index = logKeyIndex(key) ?? 0;
  if (index === 0) throw damagedEntry(index, `the key ${Buffer.from(key).toString("hex")} is no index`);
  return { space: "log", entry: decodeRecord(record, checkLoneRecord(record, index)) };
}

function readState([rowKey, row]: Row): DumpedRow {
  const value = unwrapRow(rowKey, row, "state row");
  return { space: "state", generation: generationOf(rowKey) ?? 0, key: stateKeyOf(rowKey), value };
}

function attempt(space: DumpSpace, read: () => DumpedRow): DumpedRow {
  try {
    return read();
  } catch (error) {
    return { space, damaged: messageOf(error) };
  }
}
