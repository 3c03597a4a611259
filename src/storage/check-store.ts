import { type CheckListener, checkLog, messageOf } from "./check-log.ts";
import { unwrapRow } from "./checksummed-row.ts";
import { describeDivergence } from "./divergence.ts";
import type { EngineName } from "./engine-directory.ts";
import { readIdentity } from "./meta-rows.ts";
import { recoverDirectory } from "./recover-directory.ts";
import { type RecoveredStore, recoverBase } from "./recover-store.ts";
import { metaKeys, peerRange, stateRange } from "./row-keys.ts";
import { withStoppedStore } from "./stopped-store.ts";
import type { RowReader } from "./storage-engine.ts";

/** What a check of a data directory found. */
export interface StoreCheck {
  readonly engine: EngineName;
  /** Whose it is and how far it has come; `undefined` when that cannot be told. */
  readonly store: (RecoveredStore & { readonly clusterId: string; readonly memberId: string }) | undefined;
  readonly logRecords: number;
  readonly stateRows: number;
  /** What is damaged, in words, at most {@link damagesMax} of it; empty when nothing is. */
  readonly damages: readonly string[];
  /** Damages that are not among them. */
  readonly moreDamages: number;
}

/** Damages that are told one by one: a disk on which more is damaged has been understood. */
export const damagesMax = 1000;

/**
 * Reads all of a stopped member's store: log records and their chain, state rows of every generation, the rows about the
 * store, and the watermark; tells what is damaged, and how much. `onProgress` is told the bytes read so far.
 * Rejects as opening a stopped store does, a damaged file of the engine among the reasons.
 */
export function checkStore(directory: string, onProgress: (bytes: number) => void = () => {}): Promise<StoreCheck> {
  return withStoppedStore(directory, async (rows, engine) => {
    const damages = new Set<string>();
    let moreDamages = 0;
    let bytes = 0;
    const listener: CheckListener = {
      damaged(what) {
        if (damages.size < damagesMax) damages.add(what);
        else if (!damages.has(what)) moreDamages += 1;
      },
      read(more) {
        bytes += more;
        onProgress(bytes);
      },
    };
    const store = await attempt(listener, () => recover(directory, rows));
    if (store?.divergence !== undefined) listener.damaged(describeDivergence(store.divergence));
    const logRecords = (await attempt(listener, () => checkRecords(rows, listener))) ?? 0;
    const stateRows = (await attempt(listener, () => checkRows(rows, listener))) ?? 0;
    return { engine, store, logRecords, stateRows, damages: [...damages], moreDamages };
  });
}

/** What `part` gives, or nothing when it ends at a damage, which is told. */
async function attempt<T>(listener: CheckListener, part: () => Promise<T>): Promise<T | undefined> {
  try {
    return await part();
  } catch (error) {
    listener.damaged(messageOf(error));
    return undefined;
  }
}

async function recover(directory: string, rows: RowReader): Promise<NonNullable<StoreCheck["store"]>> {
  const { identity, store } = await recoverDirectory(directory, rows);
  return { ...store, clusterId: identity.clusterId, memberId: identity.memberId };
}

function identityOf(rows: RowReader): Uint8Array {
  const row = rows.get(metaKeys.identity);
  if (row === undefined) throw new Error("the identity row is missing");
  return row;
}

async function checkRecords(rows: RowReader, listener: CheckListener): Promise<number> {
  const identity = readIdentity(identityOf(rows));
  return checkLog(rows, recoverBase(rows, identity), listener);
}

/** Checks every state row, and the rows of peers; returns the number of state rows. */
async function checkRows(rows: RowReader, listener: CheckListener): Promise<number> {
  let count = 0;
  for (const [range, what] of [[stateRange, "state row"] as const, [peerRange, "peer directory row"] as const]) {
    for await (const page of rows.iterate(range, { readAhead: true })) {
      for (const [key, value] of page) {
        if (range === stateRange) count += 1;
        listener.read(key.length + value.length);
        await attempt(listener, async () => unwrapRow(key, value, what));
      }
    }
  }
  return count;
}
