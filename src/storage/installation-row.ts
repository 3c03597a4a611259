import { create } from "@bufbuild/protobuf";
import { InstallationRowSchema } from "../gen/raftkv/storage/v1/storage_pb.ts";
import { toSafeNumber } from "../lib/safe-integer.ts";
import { logBaseFromMessage, logBaseToMessage } from "./base-row.ts";
import type { InstallationSource } from "./installation.ts";
import { messageRow, readMessage } from "./message-row.ts";
import { metaKeys } from "./row-keys.ts";
import type { RowChange } from "./storage-engine.ts";

/** An installation as far as it is durable. */
export interface StoredInstallation {
  readonly source: InstallationSource;
  /** Its rows stand under this. */
  readonly generation: number;
  /** Key of the last row, as the state machine knows it; `null` before the first. */
  readonly lastKey: Uint8Array | null;
  readonly rowCount: number;
  /** Bytes of keys and values. */
  readonly bytes: number;
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
  return {
    source: {
      snapshotId: message.snapshotId,
      from: message.fromMemberId,
      base: logBaseFromMessage(message.base, "installation row"),
    },
    generation: message.stateGeneration,
    lastKey: message.lastKey ?? null,
    rowCount: toSafeNumber(message.rows, "rows of the installation"),
    bytes: toSafeNumber(message.sizeBytes, "bytes of the installation"),
  };
}
