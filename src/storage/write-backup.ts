import { createHash } from "node:crypto";
import {
  type BackupFacts,
  backupMagic,
  encodeFrame,
  encodeHeader,
  encodeRows,
  encodeTrailer,
  frameKinds,
} from "./backup-format.ts";
import type { StateSnapshot } from "./state-snapshot.ts";

/** Bytes of rows in a frame, about. */
const rowsBytes = 256 * 1024;

/** A backup of a snapshot as the pieces of its file, one at a time as they are asked for. Rejects when rows cannot be read. */
export async function* writeBackup(facts: BackupFacts, snapshot: StateSnapshot): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  const hashed = (piece: Uint8Array): Uint8Array => {
    hash.update(piece);
    return piece;
  };
  yield hashed(Buffer.concat([backupMagic, encodeFrame(frameKinds.header, encodeHeader(facts))]));
  let rows = 0;
  let bytes = 0;
  for await (const page of snapshot.rows(null, rowsBytes)) {
    rows += page.length;
    for (const [key, value] of page) bytes += key.length + value.length;
    yield hashed(encodeFrame(frameKinds.rows, encodeRows(page)));
  }
  yield encodeFrame(frameKinds.trailer, encodeTrailer({ rows, bytes }, hash.digest()));
}
