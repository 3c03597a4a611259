import type { HardState, Index, LogPosition } from "../../src/raft/entry.ts";
import { unwrapRow } from "../../src/storage/checksummed-row.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { readHardState, readProgress } from "../../src/storage/meta-rows.ts";
import { firstGeneration, generationOf, metaKeys, stateKeyOf } from "../../src/storage/row-keys.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import { DiskLog } from "./disk-log.ts";
import { StateHash, storedRowHash } from "./state-hash.ts";

/** What an engine over a simulated disk has its rows in. */
export interface EngineRows {
  readonly rows: MemoryRows;
  /** Makes a batch durable. */
  apply(changes: readonly RowChange[]): void;
}

/** The rows of the engine in use, and what they say: kept up to date change by change, so that no rule has to read them. */
export class DiskRows {
  readonly rows: MemoryRows;
  readonly log = new DiskLog();
  /** As the rows have it; read when it is asked for, and `undefined` until then. */
  #hardState: HardState | undefined;
  #appliedIndex: Index | undefined;
  /** Of the state rows, by generation. */
  readonly #stateHashes = new Map<number, StateHash>();

  /** `rows` are changed by {@link DiskRows.apply} only from now on. Default: none. */
  constructor(rows: MemoryRows = new MemoryRows()) {
    this.rows = rows;
    for (const [key, value] of rows.snapshot()) {
      this.log.note({ type: "put", key, value });
      this.#noteState({ type: "put", key, value }, undefined);
    }
  }

  /** Durable term, vote and commit index. */
  get hardState(): HardState {
    const row = this.#hardState === undefined ? this.rows.get(metaKeys.hardState) : undefined;
    this.#hardState ??= row === undefined ? { term: 0, votedFor: null, commitIndex: 0 } : readHardState(row);
    return this.#hardState;
  }

  /** Last entry whose effects are durable. */
  get appliedIndex(): Index {
    const row = this.#appliedIndex === undefined ? this.rows.get(metaKeys.progress) : undefined;
    this.#appliedIndex ??= row === undefined ? 0 : readProgress(row).appliedIndex;
    return this.#appliedIndex;
  }

  /** Durable batches so far; -1 before the first. */
  get writes(): number {
    const progress = this.rows.get(metaKeys.progress);
    return progress === undefined ? -1 : readProgress(progress).writes;
  }

  /** Where the state rows in use stand. */
  get generation(): number {
    return this.log.base?.generation ?? firstGeneration;
  }

  /** Of the state rows in use. */
  get stateHash(): number {
    return this.#stateHashes.get(this.generation)?.value ?? 0;
  }

  /** Makes a batch durable; returns the entries that a change of it took away or replaced. */
  apply(changes: readonly RowChange[]): LogPosition[] {
    const removed: LogPosition[] = [];
    for (const change of changes) {
      const gone = this.log.note(change);
      if (gone !== undefined) removed.push(gone);
      this.#noteState(change, this.rows.apply(change));
      if (isMetaKey(change.key, metaKeys.hardState)) this.#hardState = undefined;
      if (isMetaKey(change.key, metaKeys.progress)) this.#appliedIndex = undefined;
    }
    return removed;
  }

  /** The rows of the state machine, for comparing members. */
  stateRows(): Row[] {
    const { generation } = this;
    return this.rows
      .snapshot()
      .filter(([key]) => generationOf(key) === generation)
      .map(([key, value]) => [stateKeyOf(key), unwrapRow(key, value, "state row")]);
  }

  /** Takes note of a row's change; `before` is the value that stood there. */
  #noteState(change: RowChange, before: Uint8Array | undefined): void {
    const generation = generationOf(change.key);
    if (generation === undefined) return;
    const hash = this.#stateHashes.get(generation) ?? new StateHash();
    this.#stateHashes.set(generation, hash);
    const after = change.type === "put" ? change.value : undefined;
    hash.change(storedRowHash(change.key, before), storedRowHash(change.key, after));
  }
}

/** Whether a key is this one of {@link metaKeys}. By hand: of two bytes, a call of native code costs more than the comparison. */
function isMetaKey(key: Uint8Array, metaKey: Uint8Array): boolean {
  return key[0] === metaKey[0] && key[1] === metaKey[1] && key.length === metaKey.length;
}
