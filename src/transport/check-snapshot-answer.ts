import { RaftKvError } from "../lib/errors.ts";
import type { FilesPart, RowsPart, SnapshotChunk, SnapshotChunkRequest } from "./snapshot-transfer.ts";

/** Throws `PEER_REFUSED`, naming the field, when a decoded chunk is no answer to `request`. */
export function checkSnapshotAnswer(chunk: SnapshotChunk, request: SnapshotChunkRequest): void {
  const { snapshotId, base, part } = chunk;
  if (snapshotId === "") throw refused("SnapshotChunk.snapshot_id is missing");
  if (request.snapshotId !== null && snapshotId !== request.snapshotId) {
    throw refused(`SnapshotChunk.snapshot_id is "${snapshotId}", asked for "${request.snapshotId}"`);
  }
  if (base.index < request.minIndex) {
    throw refused(`SnapshotChunk.index is ${base.index}, asked for ${request.minIndex} or later`);
  }
  if (base.configuration.index > base.index) throw refused("SnapshotChunk.configuration_index is beyond its index");
  if (part.type === "rows") {
    checkRows(part, chunk, request);
  } else {
    checkFiles(part, chunk, request);
    checkData(part, chunk, request);
  }
}

function checkRows({ rows }: RowsPart, { done }: SnapshotChunk, { after, offset }: SnapshotChunkRequest): void {
  if (offset > 0) throw refused(`SnapshotChunk.data is missing, asked for byte ${offset} of files`);
  if (rows.length === 0 && !done) throw refused("SnapshotChunk.rows is empty before the end");
  let last = after;
  for (const [key] of rows) {
    if (last !== null && Buffer.compare(key, last) <= 0) throw refused("SnapshotChunk.rows are out of order");
    last = key;
  }
}

function checkFiles({ files }: FilesPart, { totalBytes }: SnapshotChunk, request: SnapshotChunkRequest): void {
  if (request.after !== null) throw refused("SnapshotChunk.data is set, asked for the rows after a key");
  if (request.snapshotId !== null) {
    if (files.length > 0) throw refused("SnapshotChunk.files is set, asked for the rest of a snapshot");
    return;
  }
  if (request.engine === null) throw refused("SnapshotChunk.data is set, asked for rows");
  if (files.length === 0) throw refused("SnapshotChunk.files is empty at the beginning");
  if (files.some(({ name }) => name === "")) throw refused("SnapshotChunk.files.name is empty");
  // Exact: a sum that cannot be held lies above every total that can.
  const bytes = files.reduce((sum, { size }) => sum + size, 0);
  if (bytes !== totalBytes) throw refused(`SnapshotChunk.total_bytes is ${totalBytes}, its files come to ${bytes}`);
}

function checkData({ data }: FilesPart, chunk: SnapshotChunk, { offset, bytesMax }: SnapshotChunkRequest): void {
  const { done, totalBytes } = chunk;
  const end = offset + data.length;
  if (data.length > bytesMax) throw refused(`SnapshotChunk.data has ${data.length} bytes, asked for ${bytesMax}`);
  if (data.length === 0 && !done) throw refused("SnapshotChunk.data is empty before the end");
  if (end > totalBytes) throw refused(`SnapshotChunk.data ends at byte ${end} of ${totalBytes}`);
  if (done !== (end === totalBytes)) {
    throw refused(`SnapshotChunk.done is ${done}, its data ends at byte ${end} of ${totalBytes}`);
  }
}

function refused(what: string): RaftKvError {
  return new RaftKvError("PEER_REFUSED", what);
}
