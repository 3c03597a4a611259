import { assert } from "../lib/assert.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Entry, HardState, Index } from "../raft/entry.ts";
import { checkBatch } from "./batch-rules.ts";
import { unwrapRow, wrapRow } from "./checksummed-row.ts";
import { encodeRecord, type LogTail, recordChecksum } from "./log-record.ts";
import type { DirectoryIdentity, MemberStore, RecoveredState, StoreBatch } from "./member-store.ts";
import { hardStateRow, type Progress, peerDirectoryRow, progressRow } from "./meta-rows.ts";
import { readLog } from "./read-log.ts";
import { logKey, stateKey, stateKeyOf } from "./row-keys.ts";
import type { KeyRange, Row, RowChange, StorageEngine } from "./storage-engine.ts";
import { planTruncation } from "./truncation.ts";
import type { UseGuard } from "./use-guard.ts";
import type { WatermarkKeeper } from "./watermark-keeper.ts";

/** What a store is made of; everything is open and verified. */
export interface MemberStoreParts {
  readonly engine: StorageEngine;
  readonly identity: DirectoryIdentity;
  readonly recovered: RecoveredState;
  readonly progress: Progress;
  /** What stands before the first entry of the log. */
  readonly base: LogTail;
  readonly peerDirectories: ReadonlyMap<MemberId, string>;
  /** `undefined` where nothing outside the engine is kept. */
  readonly keeper: WatermarkKeeper | undefined;
  readonly guard: UseGuard;
  /** Runs last in a close. */
  readonly release: () => Promise<void>;
  /** Records that one batch removes at most. */
  readonly truncationStep: number;
}

/** The one {@link MemberStore}, over any engine. */
export class EngineMemberStore implements MemberStore {
  readonly identity: DirectoryIdentity;
  readonly recovered: RecoveredState;
  readonly #parts: MemberStoreParts;
  readonly #engine: StorageEngine;
  readonly #guard: UseGuard;
  readonly #peerDirectories: Map<MemberId, string>;
  /** Writes of peer directories, those done among them; one for each member met since the store was opened. */
  readonly #remembering = new Map<MemberId, Promise<void>>();
  #hardState: HardState;
  /** What the engine holds; while a write is under way, what it will hold. */
  #progress: Progress;
  #logSizeBytes: number;
  /** Last entry that may be read; below the log's end while the entries after it are being written or replaced. */
  #readableIndex: Index;
  /** Whether a turn is being written, or waits for its turn. */
  #inTurn = false;
  /** The engine write under way; never rejects. */
  #writing: Promise<void> | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: MemberStoreParts) {
    this.#parts = parts;
    this.identity = parts.identity;
    this.recovered = parts.recovered;
    this.#engine = parts.engine;
    this.#guard = parts.guard;
    this.#peerDirectories = new Map(parts.peerDirectories);
    this.#hardState = parts.recovered.hardState;
    this.#progress = parts.progress;
    this.#logSizeBytes = parts.recovered.logSizeBytes;
    this.#readableIndex = parts.progress.tail.index;
  }

  get logSizeBytes(): number {
    return this.#logSizeBytes;
  }

  async write(batch: StoreBatch): Promise<void> {
    this.#guard.check();
    assert(!this.#inTurn, "a write began while another was under way");
    checkBatch(batch, { hardState: this.#hardState, ...this.#progress });
    this.#inTurn = true;
    try {
      await this.#alone(() => this.#writeTurn(batch));
    } finally {
      this.#inTurn = false;
    }
  }

  async readEntries(from: Index, to: Index, bytesMax: number): Promise<Entry[]> {
    this.#guard.check();
    return readLog(this.#engine, { base: this.#parts.base, lastIndex: this.#readableIndex }, from, to, bytesMax);
  }

  stateRow(key: Uint8Array): Uint8Array | undefined {
    this.#guard.check();
    const rowKey = stateKey(key);
    const value = this.#engine.get(rowKey);
    return value === undefined ? undefined : unwrapRow(rowKey, value, "state row");
  }

  async *iterateState({ start, end }: KeyRange): AsyncGenerator<Row> {
    this.#guard.check();
    for await (const page of this.#engine.iterate({ start: stateKey(start), end: stateKey(end) })) {
      for (const [key, value] of page) yield [stateKeyOf(key), unwrapRow(key, value, "state row")];
    }
  }

  peerDirectory(memberId: MemberId): string | undefined {
    return this.#peerDirectories.get(memberId);
  }

  async rememberPeerDirectory(memberId: MemberId, dataDirectoryId: string): Promise<void> {
    this.#guard.check();
    const known = this.#peerDirectories.get(memberId);
    assert(known === undefined || known === dataDirectoryId, `member ${memberId} already has directory ${known}`);
    if (known === undefined) {
      // Before the write, so that another directory is refused while this one is on its way.
      this.#peerDirectories.set(memberId, dataDirectoryId);
      const row = peerDirectoryRow(memberId, dataDirectoryId);
      this.#remembering.set(
        memberId,
        this.#alone(() => this.#commit([row])),
      );
    }
    await this.#remembering.get(memberId);
  }

  close(): Promise<void> {
    this.#guard.close();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Runs one write after another: each builds on the progress that the one before it left. A failed one is the last. */
  async #alone(write: () => Promise<void>): Promise<void> {
    while (this.#writing !== undefined) await this.#writing;
    this.#guard.check();
    const writing = write();
    this.#writing = writing.catch(() => {});
    try {
      await writing;
    } catch (error) {
      throw this.#guard.fail(error);
    } finally {
      this.#writing = undefined;
    }
  }

  async #writeTurn(batch: StoreBatch): Promise<void> {
    const rows: RowChange[] = [];
    if (batch.hardState !== undefined) {
      rows.push(hardStateRow(batch.hardState));
      this.#hardState = batch.hardState;
    }
    if (batch.truncateFrom !== undefined) await this.#truncate(batch.truncateFrom, rows);
    this.#addEntries(batch.entries, rows);
    this.#addState(batch, rows);
    await this.#commit(rows);
  }

  /**
   * Adds the removal of everything from `from` on to `rows`. Only where that is more than one batch may remove, all but the
   * last step are written here, the end of the log first: a crash in between leaves a log that is whole and still too long.
   */
  async #truncate(from: Index, rows: RowChange[]): Promise<void> {
    const { base, keeper, truncationStep } = this.#parts;
    for (let last = this.#progress.tail.index; last >= from; last = this.#progress.tail.index) {
      const first = Math.max(from, last - truncationStep + 1);
      const { deletes, tail, removedBytes } = await planTruncation(this.#engine, base, first, last);
      this.#readableIndex = tail.index;
      await keeper?.lowerTo(tail);
      for (const change of deletes) rows.push(change);
      this.#progress = { ...this.#progress, tail };
      this.#logSizeBytes -= removedBytes;
      if (first > from) await this.#commit(rows.splice(0));
    }
  }

  #addEntries(entries: readonly Entry[], rows: RowChange[]): void {
    let { tail } = this.#progress;
    for (const entry of entries) {
      const { index, term } = entry;
      assert(term >= tail.term, `entry ${index} has term ${term}, below the ${tail.term} before it`);
      const record = encodeRecord(entry, tail.checksum);
      rows.push({ type: "put", key: logKey(index), value: record });
      this.#logSizeBytes += record.length;
      tail = { index, term, checksum: recordChecksum(record) };
    }
    this.#progress = { ...this.#progress, tail };
  }

  #addState({ stateChanges, appliedIndex = this.#progress.appliedIndex }: StoreBatch, rows: RowChange[]): void {
    for (const change of stateChanges) {
      const key = stateKey(change.key);
      if (change.type === "delete") rows.push({ type: "delete", key });
      else rows.push({ type: "put", key, value: wrapRow(key, change.value) });
    }
    this.#progress = { ...this.#progress, appliedIndex };
  }

  /** The one engine write of a batch. */
  async #commit(rows: RowChange[]): Promise<void> {
    this.#progress = { ...this.#progress, writes: this.#progress.writes + 1 };
    rows.push(progressRow(this.#progress));
    await this.#engine.write(rows);
    const { writes, tail } = this.#progress;
    this.#readableIndex = tail.index;
    this.#parts.keeper?.advance({ writes, tail, hardStateTerm: this.#hardState.term });
  }

  async #close(): Promise<void> {
    await this.#writing;
    try {
      await this.#engine.close();
      await this.#parts.keeper?.close(this.#guard.failed);
    } catch (error) {
      throw this.#guard.fail(error);
    } finally {
      await this.#parts.release();
    }
  }
}
