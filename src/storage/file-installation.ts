import { assert } from "../lib/assert.ts";
import { RaftKvError } from "../lib/errors.ts";
import { closeGivenUp } from "./close-after.ts";
import type { EngineFile, EngineHome, IncomingFiles } from "./engine-home.ts";
import { checkFlip } from "./flip-generation.ts";
import { flipToEngine, type NextEngine } from "./flip-to-engine.ts";
import type { FilesInstallation, InstallationSource } from "./installation.ts";
import { missingRow } from "./message-row.ts";
import { readIdentity, readProgress } from "./meta-rows.ts";
import { recoverBase } from "./recover-store.ts";
import { logRange, metaKeys, peerRange, stateKey } from "./row-keys.ts";
import { generationsIn } from "./state-generations.ts";
import { readStateRows } from "./state-rows.ts";
import type { KeyRange, Row, StorageEngine } from "./storage-engine.ts";
import type { InstallationControl, StoreInstallation, StoreState } from "./store-state.ts";
import { apart, writeApart } from "./write-apart.ts";

/**
 * An installation in files. They come into a directory of their own, are opened there beside the engine in use, lose the rows that
 * are the sender's alone, and get this member's before they take the place of the engine.
 */
export class FileInstallation implements FilesInstallation, InstallationControl {
  readonly type = "files";
  readonly source: InstallationSource;
  readonly #state: StoreState;
  readonly #home: EngineHome;
  readonly #files: readonly EngineFile[];
  #incoming: IncomingFiles | undefined;
  /** What is being written; never rejects. */
  #writing: Promise<void> | undefined;
  #completing: Promise<RaftKvError | undefined> | undefined;
  #next: NextEngine | undefined;
  #retiring: Promise<void> | undefined;
  #ended = false;
  #finishing = false;

  /** `incoming` is what a start found of it. */
  constructor(
    state: StoreState,
    home: EngineHome,
    source: InstallationSource,
    incoming: readonly EngineFile[] | IncomingFiles,
  ) {
    this.#state = state;
    this.#home = home;
    this.source = source;
    this.#incoming = "append" in incoming ? incoming : undefined;
    this.#files = "append" in incoming ? incoming.files : incoming;
  }

  get bytes(): number {
    return this.#incoming?.bytes ?? 0;
  }

  get totalBytes(): number {
    return this.#files.reduce((sum, { size }) => sum + size, 0);
  }

  get finishing(): boolean {
    return this.#finishing;
  }

  /** Makes it known on the disk, in the place of the one before. Rejects with `STATE_CORRUPT` for files that no engine has. */
  async begin(former: StoreInstallation | undefined): Promise<void> {
    await this.#alone(async () => {
      await former?.retire();
      if (former?.type === "rows") await writeApart(this.#state, [{ type: "delete", key: metaKeys.installation }]);
      this.#incoming = await this.#receive();
    });
  }

  async addBytes(data: Uint8Array): Promise<void> {
    const incoming = this.#arrived();
    assert(this.#writing === undefined, "bytes come while others are being added");
    await this.#alone(() => apart(this.#state, () => incoming.append(data)));
  }

  complete(): Promise<RaftKvError | undefined> {
    const incoming = this.#arrived();
    assert(incoming.bytes === incoming.totalBytes, "files are missing");
    // Once: the engine there is open from then on.
    this.#completing ??= this.#alone(() => this.#open(incoming));
    return this.#completing;
  }

  async *iterate({ start, end }: KeyRange): AsyncGenerator<Row> {
    this.#state.guard.check();
    if (this.#ended) throw new RaftKvError("STORE_CLOSED", "the installation whose files were read has ended");
    assert(this.#next !== undefined, "rows of files that are not complete");
    const { engine, generation } = this.#next;
    const range = { start: stateKey(generation, start), end: stateKey(generation, end) };
    for await (const page of readStateRows(engine, range)) yield* page;
  }

  async finish(switched: () => void): Promise<void> {
    const incoming = this.#arrived();
    const next = this.#next;
    assert(next !== undefined && this.#writing === undefined, "the files are complete and at rest");
    this.#state.lane.checkTurn();
    checkFlip(this.#state, this.source.base);
    this.#ended = true;
    this.#finishing = true;
    const steps = { adopt: () => incoming.adopt(), removeFormer: () => this.#home.removeFormer() };
    await this.#state.lane.turn(() => flipToEngine(this.#state, this.source.base, { ...next, ...steps }, switched));
  }

  async abandon(): Promise<void> {
    if (this.#finishing) return;
    await this.retire();
    if (this.#state.installation === this) this.#state.installation = undefined;
  }

  /** Ends it, and removes its files. */
  retire(): Promise<void> {
    this.#ended = true;
    this.#retiring ??= this.#remove();
    return this.#retiring;
  }

  /** Nothing is left to remove in the background. */
  sweep(): void {}

  /** Closes what it has open, to be gone on with after the next start. */
  async release(): Promise<void> {
    this.#ended = true;
    await this.#writing;
    // A removal that fails has told the guard.
    await this.#retiring?.catch(() => {});
    await this.#next?.engine.close();
  }

  async #remove(): Promise<void> {
    await this.#writing;
    await this.#guarded(async () => {
      await this.#next?.engine.close();
      await this.#incoming?.remove();
    });
  }

  /** A refusal of the files concerns whoever sent them; any other failure is one of this disk. */
  async #receive(): Promise<IncomingFiles> {
    const { guard, writes } = this.#state;
    try {
      return await writes.watch(() => this.#home.receive(this.source, this.#files));
    } catch (error) {
      throw error instanceof RaftKvError && error.code === "STATE_CORRUPT" ? error : guard.fail(error);
    }
  }

  /** For what may take long and of which nobody waits for a single part: it does not count as one write to the disk. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    this.#state.guard.check();
    try {
      await work();
    } catch (error) {
      throw this.#state.guard.fail(error);
    }
  }

  #arrived(): IncomingFiles {
    this.#state.guard.check();
    assert(!this.#ended && this.#incoming !== undefined, "files of an installation that has ended, or not begun");
    return this.#incoming;
  }

  async #alone<T>(work: () => Promise<T>): Promise<T> {
    const working = work();
    this.#writing = working.then(
      () => {},
      () => {},
    );
    try {
      return await working;
    } finally {
      this.#writing = undefined;
    }
  }

  /** Opens the files and takes out what is the sender's alone; gives the reason when they are of no use. */
  async #open(incoming: IncomingFiles): Promise<RaftKvError | undefined> {
    let engine: StorageEngine | undefined;
    try {
      engine = await incoming.open();
      this.#next = { engine, ...(await this.#check(engine)) };
    } catch (error) {
      if (engine !== undefined) await closeGivenUp(engine);
      if (error instanceof RaftKvError && error.code !== "WRITE_FAILED") return error;
      throw this.#state.guard.fail(error);
    }
    const { engine: opened } = this.#next;
    await this.#guarded(async () => {
      await opened.clear(logRange);
      await opened.clear(peerRange);
    });
    return undefined;
  }

  /** Generations of the rows, if they are what the sender said. */
  async #check(engine: StorageEngine): Promise<Pick<NextEngine, "generation" | "others">> {
    const [identity, progress] = [engine.get(metaKeys.identity), engine.get(metaKeys.progress)];
    if (identity === undefined) throw missingRow("identity");
    if (progress === undefined) throw missingRow("progress");
    const found = readIdentity(identity);
    const { appliedIndex } = readProgress(progress);
    const { clusterId } = this.#state.identity;
    if (found.clusterId !== clusterId || appliedIndex !== this.source.base.index) {
      const what = `state ${appliedIndex} of cluster ${found.clusterId}`;
      const due = `${this.source.base.index} of ${clusterId}`;
      throw new RaftKvError("STATE_CORRUPT", `the files of a snapshot hold ${what}; it was to be ${due}`);
    }
    const { generation } = recoverBase(engine, found);
    return { generation, others: (await generationsIn(engine)).filter((each) => each !== generation) };
  }
}
