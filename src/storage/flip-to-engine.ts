import type { LogBase } from "../raft/log-base.ts";
import { baseRow, type StoredBase } from "./base-row.ts";
import { ownTailAt, tailAfter } from "./flip-generation.ts";
import { formatVersions, hardStateRow, identityRow, progressRow } from "./meta-rows.ts";
import { generationRange, logRecords, metaKeys, peerRange } from "./row-keys.ts";
import type { KeyRange, RowChange, StorageEngine } from "./storage-engine.ts";
import { commit, formatWritten, type StoreState, showWritten } from "./store-state.ts";
import { truncate } from "./truncate-log.ts";

/** An engine with another member's state, and no rows that are that member's alone but those that every store has. */
export interface NextEngine {
  readonly engine: StorageEngine;
  /** Where the state's rows stand. */
  readonly generation: number;
  /** Generations with rows that are garbage. */
  readonly others: readonly number[];
}

/** One that can be adopted. */
export interface AdoptableEngine extends NextEngine {
  /** Makes the engine the one that the next start finds, durably. */
  readonly adopt: () => Promise<void>;
  /** Removes the files of the engine before, which is closed. */
  readonly removeFormer: () => Promise<void>;
}

/**
 * Turns to another engine, which gets what is this member's own first: identity, hard state, progress, base, peers, divergence, and the
 * records behind the base where the log has the base's entry. All of that is durable when the engine is adopted, which decides. The log
 * is treated as `flipGeneration` treats it. Runs in the lane.
 */
export async function flipToEngine(
  state: StoreState,
  base: LogBase,
  { engine: next, generation, others, adopt, removeFormer }: AdoptableEngine,
  switched: () => void,
): Promise<void> {
  const { engine, logSize, sweeper, writes } = state;
  const own = ownTailAt(state, base);
  if (own === undefined) await truncateHere(state, base.index);
  const mark = own && (await logSize.markAt(engine, base.index));
  if (own !== undefined) await copyRows(state, next, logRecords(base.index + 1, state.progress.tail.index));
  await copyRows(state, next, peerRange);
  const flipped: StoredBase = { ...base, checksum: tailAfter(state, base, own).checksum, generation };
  state.hardState = { ...state.hardState, commitIndex: base.index };
  const tail = own === undefined ? tailAfter(state, base, own) : state.progress.tail;
  state.progress = { writes: state.progress.writes + 1, appliedIndex: base.index, tail };
  await writes.watch(async () => {
    await next.write(ownRows(state, flipped));
    await adopt();
  });
  state.former = endFormer(state, engine.switchTo(next), removeFormer);
  state.highestGeneration = Math.max(state.highestGeneration, generation, ...others);
  sweeper.forget();
  showWritten(state, () => {
    formatWritten(state);
    state.base = flipped;
    if (mark === undefined) logSize.reset(base.index);
    else logSize.moveBase(mark);
    state.installation = undefined;
    switched();
  });
  for (const other of others) sweeper.sweep(generationRange(other), { reclaim: true });
}

async function endFormer(state: StoreState, closed: Promise<void>, remove: () => Promise<void>): Promise<void> {
  try {
    await closed;
    await remove();
  } catch (error) {
    state.guard.fail(error);
  } finally {
    state.former = undefined;
  }
}

/** What contradicts the snapshot goes first, as a leader's entries would have removed it. */
async function truncateHere(state: StoreState, from: number): Promise<void> {
  const rows: RowChange[] = [];
  await truncate(state, from, rows);
  if (rows.length > 0) await commit(state, rows);
}

/** The rows that every store has once, as they are to be from now on; nothing of the sender's is left under their keys. */
function ownRows(state: StoreState, base: StoredBase): RowChange[] {
  const divergence = state.engine.get(metaKeys.divergence);
  return [
    identityRow({ ...state.identity, formatVersion: formatVersions.newest }),
    hardStateRow(state.hardState),
    progressRow(state.progress),
    baseRow(base),
    { type: "delete", key: metaKeys.installation },
    divergence === undefined
      ? { type: "delete", key: metaKeys.divergence }
      : { type: "put", key: metaKeys.divergence, value: divergence },
  ];
}

/** Copies rows as they are: their checksums cover their keys, which stay the same. */
async function copyRows({ engine, writes }: StoreState, to: StorageEngine, range: KeyRange): Promise<void> {
  for await (const page of engine.iterate(range, { pageBytes: copyBytes })) {
    await writes.watch(() => to.write(page.map(([key, value]) => ({ type: "put", key, value }))));
  }
}

/** Bytes of rows that are copied in one write. */
const copyBytes = 1 << 20;
