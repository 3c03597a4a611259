import type { Configuration } from "../../src/raft/configuration.ts";
import type { ConfigurationEntry, HardState, Index, LogPosition, Term } from "../../src/raft/entry.ts";
import type { StoredBase } from "../../src/storage/base-row.ts";
import { MemoryRows } from "../../src/storage/memory-engine.ts";
import { stateChange } from "../../src/storage/state-rows.ts";
import type { Row, RowChange } from "../../src/storage/storage-engine.ts";
import type { Watermark } from "../../src/storage/watermark.ts";
import { checkAdoption } from "./adoption-rules.ts";
import { type Dice, diceFor } from "./dice.ts";
import type { DiskWrite } from "./disk-call.ts";
import { DiskLog } from "./disk-log.ts";
import { DiskRows, type EngineRows } from "./disk-rows.ts";
import type { ArrivedFiles } from "./sim-home.ts";
import type { World } from "./world.ts";

/** No write takes longer, but for stalls; milliseconds. */
const slowestWriteMs = 2000;

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
  /** Whether its engine gives its files away, and takes those of another member. */
  readonly hasHome: boolean;
  /** For what becomes of files; a stream of its own, since most runs have none. */
  readonly homeDice: Dice;
  /** Files of another member that are on their way. */
  incoming: ArrivedFiles | undefined;
  /** Whether files are left of the engine before the one in use. */
  former = false;
  directoryId: string;
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
  #current = new DiskRows();
  /** The log before it was damaged on purpose. */
  #formerLog = new DiskLog();
  /** Writes under way, oldest first, and when they began. */
  readonly #pending = new Map<DiskWrite, number>();
  readonly #world: World;

  constructor(world: World, number: number) {
    this.#world = world;
    this.number = number;
    this.dice = diceFor(world.plan.seed, "disk", number);
    const { seed, homes } = world.plan;
    this.hasColumns = diceFor(seed, "engine", homes.alike ? 0 : number).chance(0.5);
    this.homeDice = diceFor(seed, "home", 1 + number);
    this.hasHome = this.homeDice.chance(homes.share);
    this.directoryId = this.#drawDirectoryId();
  }

  /** Rows of the engine in use. */
  get rows(): MemoryRows {
    return this.#current.rows;
  }

  /** Durable term, vote and commit index. */
  get hardState(): HardState {
    return this.#current.hardState;
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
    return this.#current.appliedIndex;
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

  begin(write: DiskWrite): void {
    this.#pending.set(write, this.#world.queue.nowMs);
  }

  /** Ends a write; whether it was still under way. */
  end(write: DiskWrite): boolean {
    return this.#pending.delete(write);
  }

  /** The process has died: what it was writing is there or not, as a whole unless it can be torn. */
  settlePending(): void {
    for (const { land, tear = land, onCut } of this.#pending.keys()) {
      onCut?.();
      if (this.dice.chance(0.5)) {
        this.#world.coverage.saw("inFlightWriteKept");
        tear();
      } else {
        this.#world.coverage.saw("inFlightWriteLost");
      }
    }
    this.#pending.clear();
  }

  /** The rows in use, for an engine that is opened now: they are its own also when others have taken their place. */
  rowsInUse(): EngineRows {
    return this.engineRows(this.rows);
  }

  /** The same of any rows on this disk, which may come into use later. */
  engineRows(rows: MemoryRows): EngineRows {
    const apply = (changes: readonly RowChange[]): void => {
      if (rows === this.rows) this.apply(changes);
      else for (const change of changes) rows.apply(change);
    };
    return { rows, apply };
  }

  /** Makes a batch durable. */
  apply(changes: readonly RowChange[]): void {
    const { base } = this;
    const removed = this.#current.apply(changes);
    if (removed.length > 0) this.#world.coverage.saw("truncated", removed.length);
    for (const position of removed) if (this.termAt(position.index) !== position.term) this.onEntryRemoved(position);
    if (this.base !== undefined && this.base !== base) this.onBaseMoved(this.base);
    this.onStateChanged(this.appliedIndex, this.#current.stateHash);
  }

  /** Rows of files from another member take the place of those in use. */
  adopt(rows: MemoryRows): void {
    const before = this.#current;
    this.#current = new DiskRows(rows);
    this.former = true;
    checkAdoption(before, this.#current);
    if (this.base !== undefined) this.onBaseMoved(this.base);
    this.onStateChanged(this.appliedIndex, this.#current.stateHash);
  }

  image(): DiskImage {
    return { rows: this.rows.snapshot(), writes: this.#current.writes };
  }

  /** The disk forgets what it took since `image`, but for the watermark. */
  forgetSince({ rows }: DiskImage): void {
    this.#formerLog = this.#log;
    const kept = new MemoryRows();
    for (const [key, value] of rows) kept.apply({ type: "put", key, value });
    this.#current = new DiskRows(kept);
    this.incoming = undefined;
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
    this.apply([stateChange(this.#current.generation, { type: "put", key, value })]);
  }

  /** A new disk, empty. */
  wipe(): void {
    this.#formerLog = this.#log;
    this.#current = new DiskRows();
    this.watermark = undefined;
    this.incoming = undefined;
    this.former = false;
    this.directoryId = this.#drawDirectoryId();
  }

  /** The rows of the state machine, for comparing members. */
  stateRows(): Row[] {
    return this.#current.stateRows();
  }

  get #log(): DiskLog {
    return this.#current.log;
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
