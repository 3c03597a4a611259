import type { Configuration } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry, HardState, Index, LogPosition, Term } from "../../src/raft/entry.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { readHardState, readProgress } from "../../src/storage/meta-rows.ts";
import { metaKeys } from "../../src/storage/row-keys.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import type { Watermark } from "../../src/storage/watermark.ts";
import { type Dice, diceFor } from "./dice.ts";
import { DiskLog } from "./disk-log.ts";
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
  directoryId: string;
  rows = new MemoryRows();
  watermark: Watermark | undefined;
  /** Told of entries that a batch took away; throws when they had to stay. */
  onEntryRemoved: (position: LogPosition) => void = () => {};
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
  #log = new DiskLog();
  /** The same before it was damaged on purpose. */
  #formerLog = new DiskLog();
  /** Writes under way, oldest first, and when they began. */
  readonly #pending = new Map<PendingWrite, number>();
  readonly #world: World;

  constructor(world: World, number: number) {
    this.#world = world;
    this.number = number;
    this.dice = diceFor(world.plan.seed, "disk", number);
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

  /** Term of a durable entry; 0 for "before the log", `undefined` when there is no such entry. */
  termAt(index: Index): Term | undefined {
    return this.#log.termAt(index);
  }

  /** Term of an entry that was durable when the disk was damaged on purpose. */
  formerTermAt(index: Index): Term | undefined {
    return index === 0 ? undefined : this.#formerLog.termAt(index);
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
    for (const change of changes) {
      const gone = this.#log.note(change);
      if (gone !== undefined) {
        this.#world.coverage.saw("truncated");
        removed.push(gone);
      }
      this.rows.apply(change);
      if (Buffer.compare(change.key, metaKeys.hardState) === 0) this.#hardState = undefined;
    }
    for (const position of removed) if (this.termAt(position.index) !== position.term) this.onEntryRemoved(position);
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
    for (const [key, value] of rows) this.rows.apply({ type: "put", key, value });
    this.#log = new DiskLog(rows);
    this.#hardState = undefined;
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

  /** A new disk, empty. */
  wipe(): void {
    this.#formerLog = this.#log;
    this.rows = new MemoryRows();
    this.watermark = undefined;
    this.#log = new DiskLog();
    this.#hardState = undefined;
    this.directoryId = this.#drawDirectoryId();
  }

  /** State rows of the last generation, for comparing members. */
  stateRows(): Row[] {
    return this.rows.snapshot().filter(([key]) => key[0] === 3);
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
