import { assert } from "../lib/assert.ts";
import type { RaftKvError } from "../lib/errors.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Entry, Index } from "../raft/entry.ts";
import type { LogBase } from "../raft/log-base.ts";
import { checkBatch } from "./batch-rules.ts";
import { beginFileInstallation, beginRowInstallation } from "./begin-installation.ts";
import { compactLog } from "./compact-log.ts";
import { type Divergence, divergenceRow } from "./divergence.ts";
import type { EngineFile } from "./engine-home.ts";
import { openStateSnapshot } from "./engine-state-snapshot.ts";
import type { FilesInstallation, Installation, InstallationSource, RowsInstallation } from "./installation.ts";
import { encodeRecord, recordChecksum } from "./log-record.ts";
import type { DirectoryIdentity, MemberStore, RecoveredState, StateFiles, StoreBatch } from "./member-store.ts";
import { hardStateRow, peerDirectoryRow } from "./meta-rows.ts";
import { openStateFiles } from "./open-state-files.ts";
import { readLog } from "./read-log.ts";
import { logKey, stateKey } from "./row-keys.ts";
import { readStateRow, readStateRows, stateChange } from "./state-rows.ts";
import type { StateSnapshot } from "./state-snapshot.ts";
import type { KeyRange, Row, RowChange } from "./storage-engine.ts";
import { commit, formatRows, formatWritten, type StoreState } from "./store-state.ts";
import { truncate } from "./truncate-log.ts";

/** What a store is made of; everything is open and verified. */
export interface MemberStoreParts {
  readonly state: StoreState;
  readonly identity: DirectoryIdentity;
  readonly recovered: RecoveredState;
  readonly peerDirectories: ReadonlyMap<MemberId, string>;
  readonly divergence: Divergence | undefined;
  /** Runs last in a close. */
  readonly release: () => Promise<void>;
}

/** The one {@link MemberStore}, over any engine. */
export class EngineMemberStore implements MemberStore {
  readonly identity: DirectoryIdentity;
  readonly recovered: RecoveredState;
  readonly #state: StoreState;
  readonly #release: () => Promise<void>;
  readonly #peerDirectories: Map<MemberId, string>;
  /** Writes of peer directories, those done among them; one for each member met since the store was opened. */
  readonly #remembering = new Map<MemberId, Promise<void>>();
  #divergence: Divergence | undefined;
  #closing: Promise<void> | undefined;

  constructor({ state, identity, recovered, peerDirectories, divergence, release }: MemberStoreParts) {
    this.#state = state;
    this.identity = identity;
    this.recovered = recovered;
    this.#release = release;
    this.#divergence = divergence;
    this.#peerDirectories = new Map(peerDirectories);
  }

  get logSizeBytes(): number {
    return this.#state.logSize.bytes;
  }

  get logFirstIndex(): Index {
    return this.#state.base.index + 1;
  }

  get installation(): Installation | undefined {
    return this.#state.installation;
  }

  get oldestWrite(): number | undefined {
    return this.#state.writes.oldest;
  }

  get failure(): Promise<RaftKvError> {
    return this.#state.guard.failure;
  }

  async write(batch: StoreBatch): Promise<void> {
    const { guard, lane, hardState, progress } = this.#state;
    const { tail, appliedIndex } = progress;
    guard.check();
    lane.checkTurn();
    checkBatch(batch, { hardState, tail, appliedIndex });
    await lane.turn(() => writeTurn(this.#state, batch));
  }

  async readEntries(from: Index, to: Index, bytesMax: number): Promise<Entry[]> {
    const { guard, engine, base, readableIndex: lastIndex } = this.#state;
    guard.check();
    return readLog(engine, { base, lastIndex }, from, to, bytesMax);
  }

  stateRow(key: Uint8Array): Uint8Array | undefined {
    const { guard, engine, base } = this.#state;
    guard.check();
    return readStateRow(engine, base.generation, key);
  }

  async *iterateState({ start, end }: KeyRange): AsyncGenerator<Row> {
    const { guard, engine, base } = this.#state;
    guard.check();
    const range = { start: stateKey(base.generation, start), end: stateKey(base.generation, end) };
    for await (const page of readStateRows(engine, range)) yield* page;
  }

  async compact(base: LogBase): Promise<void> {
    this.#state.guard.check();
    await compactLog(this.#state, base);
  }

  openSnapshot(): StateSnapshot {
    this.#state.guard.check();
    return openStateSnapshot(this.#state.engine);
  }

  get givesFilesOf(): string | undefined {
    return this.#state.home?.engineName;
  }

  get takesFilesOf(): string | undefined {
    const { home, former } = this.#state;
    return former === undefined ? home?.engineName : undefined;
  }

  async openFiles(): Promise<StateFiles | undefined> {
    this.#state.guard.check();
    return openStateFiles(this.#state);
  }

  async beginInstallation(source: InstallationSource): Promise<RowsInstallation> {
    this.#state.guard.check();
    return beginRowInstallation(this.#state, source);
  }

  async beginFileInstallation(source: InstallationSource, files: readonly EngineFile[]): Promise<FilesInstallation> {
    this.#state.guard.check();
    return beginFileInstallation(this.#state, source, files);
  }

  peerDirectory(memberId: MemberId): string | undefined {
    return this.#peerDirectories.get(memberId);
  }

  async rememberPeerDirectory(memberId: MemberId, dataDirectoryId: string): Promise<void> {
    this.#state.guard.check();
    const known = this.#peerDirectories.get(memberId);
    assert(known === undefined || known === dataDirectoryId, () => `member ${memberId} already has directory ${known}`);
    if (known === undefined) {
      // Before the write, so that another directory is refused while this one is on its way.
      this.#peerDirectories.set(memberId, dataDirectoryId);
      const row = peerDirectoryRow(memberId, dataDirectoryId);
      this.#remembering.set(
        memberId,
        this.#state.lane.run(() => commit(this.#state, [row])),
      );
    }
    await this.#remembering.get(memberId);
  }

  get divergence(): Divergence | undefined {
    return this.#divergence;
  }

  async markDiverged(divergence: Divergence): Promise<void> {
    const { guard, lane } = this.#state;
    guard.check();
    this.#divergence = divergence;
    await lane.run(() =>
      commit(this.#state, [...formatRows(this.#state), divergenceRow(divergence)], () => formatWritten(this.#state)),
    );
  }

  close(): Promise<void> {
    this.#state.guard.close();
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { lane, sweeper, guard } = this.#state;
    sweeper.stop();
    await lane.settled();
    try {
      await this.#closeFiles();
    } catch (error) {
      throw guard.fail(error);
    } finally {
      await this.#release();
    }
  }

  /** However the engine ends, the watermark does, too: its timer would write into a directory that is being removed. */
  async #closeFiles(): Promise<void> {
    const { sweeper, engine, keeper, guard, installation } = this.#state;
    try {
      await installation?.release();
      await engine.close();
      await sweeper.settled();
      await this.#state.former;
    } catch (error) {
      throw guard.fail(error);
    } finally {
      await keeper?.close(guard.failed);
    }
  }
}

async function writeTurn(state: StoreState, batch: StoreBatch): Promise<void> {
  const rows: RowChange[] = [];
  const { commitIndex } = state.hardState;
  const { hardState = state.hardState } = batch;
  state.hardState = hardState;
  if (batch.truncateFrom !== undefined) {
    // The steps of a truncation come before the entries that the new commit index may cover.
    rows.push(hardStateRow({ ...hardState, commitIndex }));
    await truncate(state, batch.truncateFrom, rows);
  }
  if (batch.hardState !== undefined) rows.push(hardStateRow(hardState));
  addEntries(state, batch.entries, rows);
  addStateRows(state, batch, rows);
  await commit(state, rows);
}

function addEntries(state: StoreState, entries: readonly Entry[], rows: RowChange[]): void {
  let { tail } = state.progress;
  for (const entry of entries) {
    const { index, term } = entry;
    assert(term >= tail.term, () => `entry ${index} has term ${term}, below the ${tail.term} before it`);
    const record = encodeRecord(entry, tail.checksum);
    rows.push({ type: "put", key: logKey(index), value: record });
    state.logSize.append(index, record.length);
    tail = { index, term, checksum: recordChecksum(record) };
  }
  state.progress = { ...state.progress, tail };
}

function addStateRows(state: StoreState, batch: StoreBatch, rows: RowChange[]): void {
  for (const change of batch.stateChanges) rows.push(stateChange(state.base.generation, change));
  const { appliedIndex = state.progress.appliedIndex } = batch;
  state.progress = { ...state.progress, appliedIndex };
}
