import type { Configuration } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry, HardState, Index, LogPosition, Term } from "../../src/raft/entry.ts";
import type { StoredBase } from "../../src/storage/base-row.ts";
import { unwrapRow } from "../../src/storage/checksummed-row.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { readHardState, readProgress } from "../../src/storage/meta-rows.ts";
import { firstGeneration, generationOf, metaKeys, stateKeyOf } from "../../src/storage/row-keys.ts";
import { stateChange } from "../../src/storage/state-rows.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import type { Watermark } from "../../src/storage/watermark.ts";
import { type Dice, diceFor } from "./dice.ts";
import { DiskLog } from "./disk-log.ts";
import { StateHash, storedRowHash } from "./state-hash.ts";
import type { World } from "./world.ts";

/** No write takes longer, but for stalls; milliseconds. */
const slowestWriteMs = 2000;

/** A batch or a watermark on its way to the disk. */
export interface PendingWrite {
  /** Makes it durable. */
  readonly land: () => void;
}

/** What a member's disk looks like at one moment. */
export interface DiskImage {
  readonly rows: readonly Row[];
  readonly writes: number;
}

/** One member's disk: what is durable on it, and how it misbehaves. It outlives the processes. */
export class SimDisk {
  readonly number: number;
  readonly dice: Dice;
  /** Whether the member has the engine that keeps rows in column families. */
  readonly hasColumns: boolean;
  directoryId: string;
  rows = new MemoryRows();
  watermark: Watermark | undefined;
  /** Told of entries that a batch took away; throws when they had to stay. */
  onEntryRemoved: (position: LogPosition) => void = () => {};
  /** Told what the durable state rows come to whenever they, or the applied index, may have changed; throws when that is wrong. */
  onStateChanged: (appliedIndex: Index, stateHash: number) => void = () => {};
  /** Told when the log's base has moved; throws when it may not stand there. */
  onBaseMoved: (base: StoredBase) => void = () => {};
  /** Every write fails. */
  full = false;
  /** The next so many writes fail. */
  failNext = 0;
  /** The next so many reads of rows give a flipped bit; what is on the disk is right. */
  misreadNext = 0;
  /** No write or read ends before this. */
  stalledUntilMs = 0;
  /** Writes take this many times as long. */
  slowness = 1;
  /** As the rows have it; read when it is asked for, and `undefined` until then. */
  #hardState: HardState | undefined;
  #appliedIndex: Index | undefined;
  #log = new DiskLog();
  /** The same before it was damaged on purpose. */
  #formerLog = new DiskLog();
  /** Of the state rows, by generation. */
  #stateHashes = new Map<number, StateHash>();
  /** Writes under way, oldest first, and when they began. */
  readonly #pending = new Map<PendingWrite, number>();
  readonly #world: World;

  constructor(world: World, number: number) {
    this.#world = world;
    this.number = number;
    this.dice = diceFor(world.plan.seed, "disk", number);
    this.hasColumns = diceFor(world.plan.seed, "engine", number).chance(0.5);
    this.directoryId = this.#drawDirectoryId();
  }

  /** Durable term, vote and commit index. */
  get hardState(): HardState {
    const row = this.#hardState === undefined ? this.rows.get(metaKeys.hardState) : undefined;
    this.#hardState ??= row === undefined ? { term: 0, votedFor: null, commitIndex: 0 } : readHardState(row);
    return this.#hardState;
  }

  /** Last durable entry. */
  get lastIndex(): Index {
    return this.#log.lastIndex;
  }

  /** Durable configuration entries, oldest first. */
  get configurations(): readonly ConfigurationEntry[] {
    return this.#log.configurations;
  }

  /** What stands before the first entry of the log; `undefined` while nothing was compacted and no snapshot installed. */
  get base(): StoredBase | undefined {
    return this.#log.base;
  }

  /** Last entry whose effects are durable. */
  get appliedIndex(): Index {
    const row = this.#appliedIndex === undefined ? this.rows.get(metaKeys.progress) : undefined;
    this.#appliedIndex ??= row === undefined ? 0 : readProgress(row).appliedIndex;
    return this.#appliedIndex;
  }

  /** Term of a durable entry or of the base; `undefined` when there is no such entry, or not any more. */
  termAt(index: Index): Term | undefined {
    return this.#log.termAt(index);
  }

  /** Terms that an entry has here, or had when the disk was damaged on purpose. */
  termsAt(index: Index): Term[] {
    return [this.#log.termAt(index), this.#formerLog.termAt(index)].filter((term) => term !== undefined);
  }

  /** Whether an entry is durable, in the log or in what was made of it. */
  holds(position: LogPosition): boolean {
    return this.#log.holds(position);
  }

  /** The same of what was durable when the disk was damaged on purpose. */
  held(position: LogPosition): boolean {
    return this.#formerLog.holds(position);
  }

  /** The configuration that an entry holds, if it is or was durable here and holds one. */
  configurationAt(position: LogPosition): Configuration | undefined {
    return this.#log.configurationAt(position) ?? this.#formerLog.configurationAt(position);
  }

  /** How long a write takes that begins now. */
  drawWriteMs(): number {
    const { writeMs, slowShare, slowMsMax } = this.#world.plan.disk;
    const usual = writeMs.min + this.dice.exponential(writeMs.mean);
    const ms = this.dice.chance(slowShare) ? this.dice.real(0, slowMsMax) : usual;
    const stallMs = Math.max(0, this.stalledUntilMs - this.#world.queue.nowMs);
    if (stallMs > 0) this.#world.coverage.saw("diskStalled");
    return stallMs + Math.min(ms * this.slowness, slowestWriteMs);
  }

  /** Whether the write that begins now is to fail. */
  takeFailure(): boolean {
    if (this.full) {
      this.#world.coverage.saw("diskFull");
      return true;
    }
    if (this.failNext === 0) return false;
    this.failNext--;
    return true;
  }

  /** How long a read takes that begins now. */
  drawReadMs(): number {
    const stallMs = Math.max(0, this.stalledUntilMs - this.#world.queue.nowMs);
    return stallMs + this.dice.exponential(0.2) * this.slowness;
  }

  /** The value as a read gives it: `undefined` when it is given as it is. */
  drawMisread(value: Uint8Array): Uint8Array | undefined {
    if (this.misreadNext === 0 || value.length === 0) return undefined;
    this.misreadNext--;
    return this.#flipped(value);
  }

  /** How long the oldest write under way has taken; 0 when none is. */
  get oldestWriteAgeMs(): number {
    const [begunMs] = this.#pending.values();
    return begunMs === undefined ? 0 : this.#world.queue.nowMs - begunMs;
  }

  begin(write: PendingWrite): void {
    this.#pending.set(write, this.#world.queue.nowMs);
  }

  /** Ends a write; whether it was still under way. */
  end(write: PendingWrite): boolean {
    return this.#pending.delete(write);
  }

  /** The process has died: what it was writing is there or not, whole or not at all. */
  settlePending(): void {
    for (const write of this.#pending.keys()) {
      if (this.dice.chance(0.5)) {
        this.#world.coverage.saw("inFlightWriteKept");
        write.land();
      } else {
        this.#world.coverage.saw("inFlightWriteLost");
      }
    }
    this.#pending.clear();
  }

  /** Makes a batch durable. */
  apply(changes: readonly RowChange[]): void {
    const removed: LogPosition[] = [];
    const { base } = this;
    for (const change of changes) {
      const gone = this.#log.note(change);
      if (gone !== undefined) {
        this.#world.coverage.saw("truncated");
        removed.push(gone);
      }
      this.#noteState(change, this.rows.apply(change));
      if (isMetaKey(change.key, metaKeys.hardState)) this.#hardState = undefined;
      if (isMetaKey(change.key, metaKeys.progress)) this.#appliedIndex = undefined;
    }
    for (const position of removed) if (this.termAt(position.index) !== position.term) this.onEntryRemoved(position);
    if (this.base !== undefined && this.base !== base) this.onBaseMoved(this.base);
    this.onStateChanged(this.appliedIndex, this.#stateHashes.get(this.#generation)?.value ?? 0);
  }

  image(): DiskImage {
    const rows = this.rows.snapshot();
    const progress = this.rows.get(metaKeys.progress);
    return { rows, writes: progress === undefined ? -1 : readProgress(progress).writes };
  }

  /** The disk forgets what it took since `image`, but for the watermark. */
  forgetSince({ rows }: DiskImage): void {
    this.#formerLog = this.#log;
    this.rows = new MemoryRows();
    this.#stateHashes = new Map();
    for (const [key, value] of rows) {
      this.#noteState({ type: "put", key, value }, this.rows.apply({ type: "put", key, value }));
    }
    this.#log = new DiskLog(rows);
    this.#hardState = undefined;
    this.#appliedIndex = undefined;
  }

  /** Flips one bit of a log record or a state row; whether there was one. */
  rot(): boolean {
    const rows = this.rows
      .snapshot()
      .filter(([key, value]) => (key[0] ?? 0) >= 2 && (key[0] ?? 0) <= 3 && value.length > 0);
    if (rows.length === 0) return false;
    const [key, value] = this.dice.pick(rows);
    this.rows.apply({ type: "put", key, value: this.#flipped(value) });
    return true;
  }

  /** Puts a row into the state that no command wrote, under a checksum that is right. */
  alter(key: Uint8Array, value: Uint8Array): void {
    this.apply([stateChange(this.#generation, { type: "put", key, value })]);
  }

  /** A new disk, empty. */
  wipe(): void {
    this.#formerLog = this.#log;
    this.rows = new MemoryRows();
    this.watermark = undefined;
    this.#log = new DiskLog();
    this.#hardState = undefined;
    this.#appliedIndex = undefined;
    this.#stateHashes = new Map();
    this.directoryId = this.#drawDirectoryId();
  }

  /** The rows of the state machine, for comparing members. */
  stateRows(): Row[] {
    const generation = this.#generation;
    return this.rows
      .snapshot()
      .filter(([key]) => generationOf(key) === generation)
      .map(([key, value]) => [stateKeyOf(key), unwrapRow(key, value, "state row")]);
  }

  get #generation(): number {
    return this.base?.generation ?? firstGeneration;
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

  #flipped(value: Uint8Array): Uint8Array {
    const flipped = new Uint8Array(value);
    const at = this.dice.whole(0, value.length - 1);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << this.dice.whole(0, 7));
    return flipped;
  }

  #drawDirectoryId(): string {
    return Array.from({ length: 32 }, () => this.dice.whole(0, 15).toString(16)).join("");
  }
}

/** Whether a key is this one of {@link metaKeys}. By hand: of two bytes, a call of native code costs more than the comparison. */
function isMetaKey(key: Uint8Array, metaKey: Uint8Array): boolean {
  return key[0] === metaKey[0] && key[1] === metaKey[1] && key.length === metaKey.length;
}
