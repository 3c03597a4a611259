import { assert } from "../lib/assert.ts";
import type { RaftKvError } from "../lib/errors.ts";
import { checkFlip, flipGeneration } from "./flip-generation.ts";
import type { InstallationSource, RowsInstallation } from "./installation.ts";
import { installationRow, type StoredInstallation, withRows } from "./installation-row.ts";
import { generationRange, metaKeys, stateKey } from "./row-keys.ts";
import { readStateRows, stateChange } from "./state-rows.ts";
import type { KeyRange, Row, RowChange } from "./storage-engine.ts";
import { formatRows, type InstallationControl, type StoreInstallation, type StoreState } from "./store-state.ts";
import { writeApart } from "./write-apart.ts";

/** Rows that one batch adds at most: a few milliseconds of the event loop. */
const addStepRowsMax = 512;

/**
 * Bytes of rows after which the row of an installation is written again. Seldom, because a table of LevelDB's that holds it
 * spans everything from there to the state rows, and is merged with all of that; those of the rows alone stay as they are.
 * A start has to count so many at most, a second or two.
 */
export const installationMarkBytesDefault = 128 * 1024 * 1024;

/** An installation in rows: those of a generation of their own, and one row that says now and then how far they are. */
export class RowInstallation implements RowsInstallation, InstallationControl {
  readonly type = "rows";
  readonly #state: StoreState;
  #stored: StoredInstallation;
  /** The write under way; never rejects. */
  #writing: Promise<void> | undefined;
  #ended = false;
  #finishing = false;

  constructor(state: StoreState, stored: StoredInstallation) {
    this.#state = state;
    this.#stored = stored;
  }

  get source(): InstallationSource {
    return this.#stored.source;
  }

  get lastKey(): Uint8Array | null {
    return this.#stored.lastKey;
  }

  get rowCount(): number {
    return this.#stored.rowCount;
  }

  get bytes(): number {
    return this.#stored.bytes;
  }

  /** See {@link InstallationControl}. */
  get finishing(): boolean {
    return this.#finishing;
  }

  /** See {@link InstallationControl}. */
  begin(former: StoreInstallation | undefined): Promise<void> {
    return this.#alone(async () => {
      await former?.retire();
      await writeApart(this.#state, [...formatRows(this.#state), installationRow(this.#stored)]);
    });
  }

  async addRows(rows: readonly Row[]): Promise<void> {
    this.#state.guard.check();
    assert(!this.#ended, "rows come for an installation that has ended");
    assert(this.#writing === undefined, "rows come while others are being added");
    checkOrder(this.#stored.lastKey, rows);
    await this.#alone(() => this.#addSteps(rows));
  }

  async complete(): Promise<RaftKvError | undefined> {
    this.#state.guard.check();
    return undefined;
  }

  async *iterate({ start, end }: KeyRange): AsyncGenerator<Row> {
    this.#state.guard.check();
    const { generation } = this.#stored;
    const range = { start: stateKey(generation, start), end: stateKey(generation, end) };
    for await (const page of readStateRows(this.#state.engine, range)) yield* page;
  }

  async finish(switched: () => void): Promise<void> {
    this.#state.guard.check();
    assert(!this.#ended, "the installation has ended");
    assert(this.#writing === undefined, "rows are still being added");
    this.#state.lane.checkTurn();
    checkFlip(this.#state, this.source.base);
    this.#ended = true;
    this.#finishing = true;
    await this.#state.lane.turn(() => flipGeneration(this.#state, this.#stored, switched));
  }

  async abandon(): Promise<void> {
    if (this.#ended) return;
    await this.retire();
    // Another that takes its place waits for what is written here, has a row of its own then, and removes the rows of this one.
    if (this.#state.installation !== this) return;
    await this.#alone(() => writeApart(this.#state, [{ type: "delete", key: metaKeys.installation }]));
    if (this.#state.installation !== this) return;
    this.#state.installation = undefined;
    this.sweep();
  }

  /** See {@link InstallationControl}; without a word on the disk, since its row is about to be replaced. */
  async retire(): Promise<void> {
    this.#ended = true;
    await this.#writing;
  }

  /** See {@link InstallationControl}. */
  sweep(): void {
    this.#state.sweeper.sweep(generationRange(this.#stored.generation), { reclaim: true });
  }

  /** See {@link InstallationControl}. */
  async release(): Promise<void> {}

  async #alone(write: () => Promise<void>): Promise<void> {
    const writing = write();
    this.#writing = writing.catch(() => {});
    try {
      await writing;
    } finally {
      this.#writing = undefined;
    }
  }

  async #addSteps(rows: readonly Row[]): Promise<void> {
    const { generation } = this.#stored;
    let writing = Promise.resolve();
    for (let at = 0; at < rows.length; at += addStepRowsMax) {
      const step = rows.slice(at, at + addStepRowsMax);
      // Made while the step before is on its way.
      const changes = step.map(([key, value]) => stateChange(generation, { type: "put", key, value }));
      await writing;
      writing = this.#write(changes, withRows(this.#stored, step));
    }
    await writing;
  }

  /** Writes rows, and with them now and then how far that brings it: a start counts only the rows that came since. */
  async #write(changes: readonly RowChange[], stored: StoredInstallation): Promise<void> {
    const marks = stored.bytes - stored.markedBytes >= this.#state.installationMarkBytes;
    await writeApart(this.#state, marks ? [...changes, installationRow(stored)] : changes);
    this.#stored = marks ? { ...stored, markedBytes: stored.bytes } : stored;
  }
}

function checkOrder(lastKey: Uint8Array | null, rows: readonly Row[]): void {
  let before = lastKey;
  for (const [key] of rows) {
    assert(before === null || Buffer.compare(before, key) < 0, "rows of an installation come out of order");
    before = key;
  }
}
