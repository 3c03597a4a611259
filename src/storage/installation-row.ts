import { create } from "@bufbuild/protobuf";
import { InstallationRowSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { logBaseFromMessage, logBaseToMessage } from "./base-row.ts";
import type { InstallationSource } from "./installation.ts";
import { messageRow, readMessage } from "./message-row.ts";
import { metaKeys } from "./row-keys.ts";
import type { Row, RowChange } from "./storage-engine.ts";

/** An installation as far as it is durable: what its row says, and the rows that came since that was written. */
export interface StoredInstallation {
  readonly source: InstallationSource;
  /** Its rows stand under this. */
  readonly generation: number;
  /** Key of the last row, as the state machine knows it; `null` before the first. */
  readonly lastKey: Uint8Array | null;
  readonly rowCount: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
  /** Of them, those that its row on the disk knows of. */
  readonly markedBytes: number;
}

/** An installation with further rows, which come behind its last key. */
export function withRows(stored: StoredInstallation, rows: readonly Row[]): StoredInstallation {
  let { bytes } = stored;
  for (const [key, value] of rows) bytes += key.length + value.length;
  const last = rows.at(-1)?.[0];
  // A copy, of a Buffer too, whose slice would be none: what it is a view of may be large.
  const lastKey = last === undefined ? stored.lastKey : Uint8Array.from(last);
  return { ...stored, lastKey, rowCount: stored.rowCount + rows.length, bytes };
}

/** Row of an installation. */
export function installationRow({ source, generation, lastKey, rowCount, bytes }: StoredInstallation): RowChange {
  const message = create(InstallationRowSchema, {
    snapshotId: source.snapshotId,
    fromMemberId: source.from,
    base: logBaseToMessage(source.base),
    stateGeneration: generation,
    rows: BigInt(rowCount),
    sizeBytes: BigInt(bytes),
  });
  if (lastKey !== null) message.lastKey = lastKey;
  return messageRow(metaKeys.installation, InstallationRowSchema, message);
}

/** Reverses {@link installationRow}. Throws `STATE_CORRUPT`. */
export function readInstallation(value: Uint8Array): StoredInstallation {
  const message = readMessage(metaKeys.installation, value, InstallationRowSchema, "installation row");
  const bytes = toSafeNumber(message.sizeBytes, "bytes of the installation");
  return {
    source: {
      snapshotId: message.snapshotId,
      from: message.fromMemberId,
      base: logBaseFromMessage(message.base, "installation row"),
    },
    generation: message.stateGeneration,
    lastKey: message.lastKey ?? null,
    rowCount: toSafeNumber(message.rows, "rows of the installation"),
    bytes,
    markedBytes: bytes,
  };
}
