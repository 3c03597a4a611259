import { join } from "node:path";
import { RaftKvError } from "../lib/errors.ts";
import { readIdentity, type StoredIdentity } from "./meta-rows.ts";
import { type RecoveredStore, recoverStore } from "./recover-store.ts";
import { metaKeys } from "./row-keys.ts";
import type { RowReader } from "./storage-engine.ts";
import { lost } from "./watermark.ts";
import { watermarkFileAt, watermarkFileName } from "./watermark-file.ts";

/** Whose a data directory is, and what its store holds. */
export interface RecoveredDirectory {
  readonly identity: StoredIdentity;
  readonly store: RecoveredStore;
}

/**
 * Reads what a stopped member's directory holds, and checks what a start would check: what passes here is not refused there.
 * `engine` is that of the directory, open. Rejects with `DIRECTORY_MISMATCH` where there is no store, with
 * `FORMAT_UNSUPPORTED`, and with `LOG_CORRUPT` or `STATE_CORRUPT` where something is damaged or the watermark is missing.
 */
export async function recoverDirectory(directory: string, engine: RowReader): Promise<RecoveredDirectory> {
  const row = engine.get(metaKeys.identity);
  if (row === undefined) throw new RaftKvError("DIRECTORY_MISMATCH", `${directory} holds no store`);
  const identity = readIdentity(row);
  const watermarkFile = watermarkFileAt(join(directory, watermarkFileName));
  try {
    const watermark = await watermarkFile.read();
    if (watermark === undefined) throw lost("the watermark of this directory is missing");
    return { identity, store: await recoverStore(engine, identity, watermark) };
  } finally {
    await watermarkFile.close();
  }
}
