import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { Installation } from "../storage/installation.ts";
import type { Applier } from "./applier.ts";
import type { AppendedProposals } from "./proposal.ts";
import { surveyRows } from "./row-survey.ts";
import type { StateMachine } from "./state-machine.ts";
import type { PreparedState, StateView } from "./state-view.ts";
import type { StoreWriter } from "./store-writer.ts";

/** What installing needs. */
export interface SnapshotInstallerDependencies {
  readonly node: RaftNode;
  readonly view: StateView;
  readonly stateMachine: StateMachine;
  readonly writer: StoreWriter;
  readonly applier: Applier;
  readonly proposals: AppendedProposals;
  readonly logger: Logger;
  readonly guarded: (part: () => void) => void;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
  /** Called when the snapshot is log and state of this member, and readers may have what they wait for. */
  readonly installed: (installation: Installation) => void;
  /** Called when a snapshot cannot be installed, and has to be given up. */
  readonly unusable: (installation: Installation, error: RaftKvError) => void;
}

/** A snapshot, and what is kept in memory of its rows. */
interface Prepared {
  readonly installation: Installation;
  readonly state: PreparedState;
  /** Tells the state machine that the rows are its own now. */
  readonly takeUp: () => void;
}

/**
 * Puts a snapshot that is here in whole in the place of log and state: when nothing is being written or applied, in one
 * durable step of the store, with core, rows in memory and waiting callers following at once.
 */
export class SnapshotInstaller {
  readonly #deps: SnapshotInstallerDependencies;
  #prepared: Prepared | null = null;
  #preparing: Installation | null = null;
  #installing = false;

  constructor(deps: SnapshotInstallerDependencies) {
    this.#deps = deps;
  }

  /** Whether log and state are being replaced. */
  get installing(): boolean {
    return this.#installing;
  }

  /** Takes on a snapshot of which all rows are here. */
  prepare(installation: Installation): void {
    const { guarded, fail } = this.#deps;
    this.#preparing = installation;
    this.#readFirst(installation).then(
      (ready) => guarded(() => this.#ready(installation, ready)),
      (error: unknown) => {
        // One that was given up meanwhile was closed under the reading; a write that failed is told by the store.
        if (this.#preparing === installation) fail(error);
      },
    );
  }

  /** What is to be in memory of the rows; the reason where they are of no use. */
  async #readFirst(installation: Installation): Promise<Prepared | RaftKvError> {
    const reason = await installation.complete();
    if (reason !== undefined) return reason;
    try {
      return await this.#read(installation);
    } catch (error) {
      // The sender's damage came with its files. To stop here would be to stop after every start.
      if (installation.type === "files" && error instanceof RaftKvError && error.code === "STATE_CORRUPT") return error;
      throw error;
    }
  }

  async #read(installation: Installation): Promise<Prepared> {
    const { view, stateMachine } = this.#deps;
    const survey = surveyRows(stateMachine, (range) => installation.iterate(range));
    const [state, takeUp] = await Promise.all([view.prepare(installation), survey]);
    return { installation, state, takeUp };
  }

  #ready(installation: Installation, ready: Prepared | RaftKvError): void {
    const { unusable, wake } = this.#deps;
    if (this.#preparing !== installation) return;
    if (ready instanceof RaftKvError) {
      unusable(installation, ready);
      return;
    }
    this.#prepared = ready;
    wake();
  }

  /** Lets go of the snapshot, unless it is being installed already. */
  forget(): void {
    this.#preparing = null;
    this.#prepared = null;
  }

  /** Begins to install what is prepared, if this is the moment. To be called every turn, before the core is asked for a write. */
  tryInstall(): void {
    const { node, writer } = this.#deps;
    if (this.#prepared === null || this.#installing || writer.busy) return;
    const prepared = this.#prepared;
    const { installation } = prepared;
    const start = node.beginInstall(installation.source.base);
    if (start === "later") return;
    this.forget();
    if (start === "begun") this.#install(prepared);
  }

  #install({ installation, state, takeUp }: Prepared): void {
    const { view, writer, guarded, fail } = this.#deps;
    this.#installing = true;
    writer
      .exclusively(() =>
        installation.finish(() => {
          view.replace(state);
          takeUp();
        }),
      )
      .then(() => guarded(() => this.#installed(installation)), fail);
  }

  #installed(installation: Installation): void {
    const { node, writer, applier, proposals, logger, installed, wake } = this.#deps;
    const { source, bytes, type: form } = installation;
    const { index } = source.base;
    this.#installing = false;
    writer.installed(index);
    applier.installed(index);
    node.installed();
    // What became of entries that only the snapshot stands for cannot be told.
    proposals.replaced(index);
    logger.info({ index, from: source.from, form, bytes }, "snapshot installed");
    installed(installation);
    wake();
  }
}
