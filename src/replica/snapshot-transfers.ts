import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { Index } from "../raft/entry.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { SnapshotToFetch } from "../raft/raft-state.ts";
import type { Random } from "../raft/random.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { PeerTransport } from "../transport/peer-transport.ts";
import type { SnapshotChunk, SnapshotChunkRequest } from "../transport/snapshot-transfer.ts";
import type { Applier } from "./applier.ts";
import type { AppendedProposals } from "./proposal.ts";
import type { ReplicaMetrics } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import { SnapshotFetcher } from "./snapshot-fetcher.ts";
import { SnapshotInstaller } from "./snapshot-installer.ts";
import { type SnapshotSent, SnapshotSource } from "./snapshot-source.ts";
import type { StateMachine } from "./state-machine.ts";
import type { StateView } from "./state-view.ts";
import type { StoreWriter } from "./store-writer.ts";
import type { SnapshotReceived } from "./transfer.ts";

/** What sending, fetching and installing need. */
export interface SnapshotTransfersDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly transport: PeerTransport;
  readonly stateMachine: StateMachine;
  readonly view: StateView;
  readonly writer: StoreWriter;
  readonly applier: Applier;
  readonly proposals: AppendedProposals;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  readonly random: Random;
  readonly logger: Logger;
  /** Whether the state is known to be wrong. */
  readonly isDiverged: () => boolean;
  /** Bytes left on the disk of the store; `null` when not known. */
  readonly availableBytes: () => number | null;
  /** Called when the state is in files that came from another member. */
  readonly filesInstalled: () => void;
  readonly guarded: (part: () => void) => void;
  readonly wake: () => void;
  readonly fail: (error: unknown) => void;
}

/** Snapshots that this member gives to others, and the one that it takes. */
export class SnapshotTransfers {
  readonly #source: SnapshotSource;
  readonly #fetcher: SnapshotFetcher;
  readonly #installer: SnapshotInstaller;
  #justInstalled = false;

  constructor(deps: SnapshotTransfersDependencies) {
    const { stateMachine, view, fail } = deps;
    const rows = { get: (key: Uint8Array) => view.getOrFail(key, fail) };
    const stateBytes = () => stateMachine.stateBytes?.(rows) ?? 0;
    this.#source = new SnapshotSource({ ...deps, stateBytes, isInstalling: () => this.installing });
    this.#installer = new SnapshotInstaller({
      ...deps,
      installed: ({ type }) => {
        this.#fetcher.installed();
        if (type === "files") deps.filesInstalled();
        this.#justInstalled = true;
      },
      unusable: (installation, error) => this.#fetcher.unusable(installation, error),
    });
    this.#fetcher = new SnapshotFetcher({ ...deps, installer: this.#installer });
  }

  /** Whether log and state are being replaced. */
  get installing(): boolean {
    return this.#installer.installing;
  }

  /** See {@link SnapshotSource.pinnedIndex}. */
  get pinnedIndex(): Index | null {
    return this.#source.pinnedIndex;
  }

  /** See {@link SnapshotFetcher.receiving}. */
  get receiving(): SnapshotReceived | null {
    return this.#fetcher.receiving;
  }

  /** See {@link SnapshotSource.sending}. */
  get sending(): readonly SnapshotSent[] {
    return this.#source.sending;
  }

  /** See {@link SnapshotSource.serve}. */
  serve(from: MemberId, request: SnapshotChunkRequest): Promise<SnapshotChunk> {
    return this.#source.serve(from, request);
  }

  /** See {@link SnapshotFetcher.announced}. */
  announced(snapshot: SnapshotToFetch): void {
    this.#fetcher.announced(snapshot);
  }

  /** See {@link SnapshotInstaller.tryInstall}. */
  tryInstall(): void {
    this.#installer.tryInstall();
  }

  /** Whether a snapshot was installed since the last time that this was asked. */
  takeInstalled(): boolean {
    const installed = this.#justInstalled;
    this.#justInstalled = false;
    return installed;
  }

  tick(nowMs: number): void {
    this.#source.tick(nowMs);
    this.#fetcher.tick(nowMs);
  }

  /** Lets go of what is kept for others. */
  close(): void {
    this.#source.close();
  }
}
