import { RaftKvError } from "../lib/errors.ts";
import type { Logger } from "../lib/logger.ts";
import type { MemberId } from "../raft/configuration.ts";
import type { LogBase } from "../raft/log-base.ts";
import type { RaftNode } from "../raft/raft-node.ts";
import type { SnapshotToFetch } from "../raft/raft-state.ts";
import type { Installation } from "../storage/installation.ts";
import type { MemberStore } from "../storage/member-store.ts";
import type { PeerTransport } from "../transport/peer-transport.ts";
import type { SnapshotChunk } from "../transport/snapshot-transfer.ts";
import type { ReplicaMetrics, SnapshotMetricResult } from "./replica-metrics.ts";
import type { ReplicaOptions } from "./replica-options.ts";
import type { Runtime } from "./runtime.ts";
import type { SnapshotInstaller } from "./snapshot-installer.ts";
import { SnapshotSpace } from "./snapshot-space.ts";
import {
  addPart,
  bytesOf,
  chunkBytesOf,
  figuresOf,
  mismatchOf,
  newTransfer,
  type SnapshotReceived,
  type Transfer,
  waitMsMax,
} from "./transfer.ts";

//   core: fetch a snapshot                    core: beginInstall, installed
//            |                                              ^
//            v                                              |
//   ask -> chunk -> store it durably -> ... -> last one -> SnapshotInstaller
//           '-> ask for the next one meanwhile

/** What fetching needs. */
export interface SnapshotFetcherDependencies {
  readonly node: RaftNode;
  readonly store: MemberStore;
  readonly transport: PeerTransport;
  readonly installer: SnapshotInstaller;
  readonly options: ReplicaOptions;
  readonly metrics: ReplicaMetrics;
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** Bytes left on the disk of the store; `null` when not known. */
  readonly availableBytes: () => number | null;
  /** Runs what follows on an answer or a write; see {@link ReplicaLoop.guarded}. */
  readonly guarded: (part: () => void) => void;
  readonly fail: (error: unknown) => void;
}

/**
 * Fetches the snapshot that the leader wants this member to have, part by part, and goes on where it broke off: in files of the engine
 * where both have the same one, and in rows otherwise.
 */
export class SnapshotFetcher {
  readonly #deps: SnapshotFetcherDependencies;
  readonly #space: SnapshotSpace;
  #announced: SnapshotToFetch | null = null;
  #announcedAtMs = 0;
  #transfer: Transfer | null = null;
  #storing = false;
  #askAtMs = 0;
  /** In a row. */
  #failures = 0;
  /** Wait after the next failure. */
  #retryMs = 0;
  /** Files came that were of no use: until something is installed, rows are asked for. */
  #filesFailed = false;

  constructor(deps: SnapshotFetcherDependencies) {
    this.#deps = deps;
    const { availableBytes, options, logger } = deps;
    this.#space = new SnapshotSpace({ availableBytes, spareBytes: options.snapshot.spareBytes, logger });
  }

  /** What is being fetched; `null` when nothing is. */
  get receiving(): SnapshotReceived | null {
    return this.#transfer && { ...figuresOf(this.#transfer), waitsForSpace: this.#space.lacking };
  }

  /** The leader's log does not have any more what this member lacks. Repeated announcements change nothing. */
  announced(snapshot: SnapshotToFetch): void {
    this.#announced = snapshot;
    this.#announcedAtMs = this.#deps.runtime.now();
    // What is being installed is in use as soon as that is durable: it must not be given up. The leader announces again.
    if (this.#deps.installer.installing) return;
    const standing = this.#transfer?.installation?.source.base.index ?? snapshot.index;
    if (this.#transfer === null) {
      // How far the rows of the transfer before will be is not known until they are stored. The leader announces again.
      if (this.#storing) return;
      this.#transfer = this.#resume(snapshot);
    } else if (standing < snapshot.index) this.#beginAnew(snapshot);
    this.#goOn();
  }

  /** Goes on with what had to wait, and gives up what is not needed any more. */
  tick(nowMs: number): void {
    const { options, installer } = this.#deps;
    if (installer.installing) return;
    if (this.#transfer !== null && nowMs - this.#announcedAtMs >= options.snapshot.announcedMs) this.#rest();
    this.#dropOutdated();
    this.#goOn();
  }

  /** What was fetched is installed. */
  installed(): void {
    this.#filesFailed = false;
    this.#end("installed");
  }

  /** What was fetched cannot be installed, and why. */
  unusable(installation: Installation, error: RaftKvError): void {
    this.#refuseFiles(installation.source.from, error);
    this.#giveUp(installation);
  }

  /** Rows that a start left behind are of use if they stand where the leader wants them to, or later. */
  #resume(snapshot: SnapshotToFetch): Transfer {
    const { store, installer, runtime, logger } = this.#deps;
    const { installation } = store;
    if (installation === undefined || installation.source.base.index < snapshot.index) {
      logger.info({ from: snapshot.from, minIndex: snapshot.index }, "fetching a snapshot");
      return newTransfer(snapshot.from, runtime.now());
    }
    const { from, base } = installation.source;
    logger.info({ from, index: base.index, bytes: installation.bytes }, "fetching the rest of a snapshot");
    const transfer = newTransfer(from, runtime.now(), installation);
    if (transfer.ended) installer.prepare(installation);
    return transfer;
  }

  /** Rows of a snapshot fit to no other: what is here will be given up when the first rows of the new one come. */
  #beginAnew({ from }: SnapshotToFetch): void {
    const { installer, runtime, logger } = this.#deps;
    this.#end("abandoned");
    installer.forget();
    logger.info({ from }, "fetching a snapshot anew");
    this.#forgetFailures();
    this.#transfer = newTransfer(from, runtime.now());
  }

  /** No leader wants it any more. What is here stays, in case that one does again. */
  #rest(): void {
    this.#deps.installer.forget();
    this.#end("abandoned");
  }

  #end(result: SnapshotMetricResult): void {
    const { metrics, runtime } = this.#deps;
    if (this.#transfer !== null) metrics.snapshotReceived(result, (runtime.now() - this.#transfer.beganMs) / 1000);
    this.#transfer = null;
    this.#space.forget();
  }

  #dropOutdated(): void {
    const { installation } = this.#deps.store;
    if (installation === undefined || this.#storing) return;
    if (this.#isOutdated(installation.source.base)) this.#giveUp(installation);
  }

  #giveUp(installation: Installation): void {
    this.#rest();
    this.#storing = true;
    installation.abandon().then(() => {
      this.#storing = false;
    }, this.#deps.fail);
  }

  #isOutdated({ index }: LogBase): boolean {
    return this.#deps.node.role === "leader" || index <= this.#deps.node.commitIndex;
  }

  #goOn(): void {
    const transfer = this.#transfer;
    if (transfer === null) return;
    const isStored = transfer.ended && transfer.arrived === undefined;
    if (isStored || !this.#space.hasRoomFor(figuresOf(transfer))) return;
    const { arrived } = transfer;
    if (arrived !== undefined && !this.#storing) {
      transfer.arrived = undefined;
      this.#keep(transfer, arrived);
    }
    const full = transfer.arrived !== undefined || transfer.asking || transfer.ended;
    if (!full && this.#deps.runtime.now() >= this.#askAtMs) this.#ask(transfer);
  }

  #ask(transfer: Transfer): void {
    const { transport, store, options, guarded } = this.#deps;
    const { from, snapshotId, form, after, offset } = transfer;
    const minIndex = this.#announced?.index ?? 0;
    transfer.asking = true;
    const engine = snapshotId === null && !this.#filesFailed ? (store.takesFilesOf ?? null) : null;
    const request = { snapshotId, minIndex, engine, after, offset, bytesMax: chunkBytesOf(options.snapshot, form) };
    transport.fetchSnapshotChunk(from, request).then(
      (chunk) => guarded(() => this.#answered(transfer, chunk)),
      (error: unknown) => guarded(() => this.#refused(transfer, error)),
    );
  }

  #answered(transfer: Transfer, chunk: SnapshotChunk): void {
    if (transfer !== this.#transfer) return;
    const { part } = chunk;
    const mismatch = mismatchOf(transfer, chunk);
    if (mismatch !== undefined) {
      this.#refused(transfer, new RaftKvError("SNAPSHOT_GONE", mismatch));
      return;
    }
    const bytes = bytesOf(part);
    this.#deps.metrics.snapshotReceivedBytes(bytes);
    const { snapshot } = this.#deps.options;
    const nowMs = this.#deps.runtime.now();
    const waitMs = snapshot.bytesPerSecondMax > 0 ? (bytes * 1000) / snapshot.bytesPerSecondMax : 0;
    this.#askAtMs = Math.min(Math.max(this.#askAtMs, nowMs) + waitMs, nowMs + waitMsMax(snapshot));
    this.#forgetFailures();
    transfer.asking = false;
    transfer.snapshotId = chunk.snapshotId;
    transfer.form = part.type;
    // A copy, because the row is a view of the whole answer.
    if (part.type === "rows") transfer.after = part.rows.at(-1)?.[0].slice() ?? transfer.after;
    else transfer.offset += bytes;
    transfer.totalBytes = chunk.totalBytes;
    transfer.ended = chunk.done;
    transfer.arrived = chunk;
    this.#goOn();
  }

  #refused(transfer: Transfer, error: unknown): void {
    if (transfer !== this.#transfer) return;
    const code = error instanceof RaftKvError ? error.code : undefined;
    if (code !== "PEER_UNREACHABLE" && code !== "SNAPSHOT_GONE") throw error;
    transfer.asking = false;
    const { retryMinMs, retryMaxMs } = this.#deps.options.snapshot;
    const waitMs = Math.max(this.#retryMs, retryMinMs);
    this.#askAtMs = this.#deps.runtime.now() + waitMs;
    this.#retryMs = Math.min(retryMaxMs, 2 * waitMs);
    this.#failures++;
    const leader = this.#announced;
    // Any member's snapshot will do; one that does not answer is left for the one that leads now.
    const left = leader !== null && leader.from !== transfer.from && this.#failures >= failuresMax;
    if (leader !== null && (code === "SNAPSHOT_GONE" || left)) this.#beginAnew(leader);
  }

  #forgetFailures(): void {
    this.#failures = 0;
    this.#retryMs = 0;
  }

  /** Stores a part, and hands the whole to be installed when it was the last. */
  #keep(transfer: Transfer, chunk: SnapshotChunk): void {
    const { installer, guarded } = this.#deps;
    this.#storing = true;
    const begun = transfer.installation ?? this.#begin(transfer.from, chunk);
    const stored = Promise.resolve(begun).then(async (installation) => {
      transfer.installation = installation;
      await addPart(installation, chunk.part);
    });
    stored.then(
      () => {
        this.#storing = false;
        guarded(() => {
          const complete = chunk.done && transfer === this.#transfer;
          if (complete && transfer.installation !== undefined) installer.prepare(transfer.installation);
          this.#goOn();
        });
      },
      (error: unknown) => this.#notStored(transfer, chunk, error),
    );
  }

  /** Files that no engine has are the sender's fault alone; with anything else this member has to stop. */
  #notStored(transfer: Transfer, { part }: SnapshotChunk, error: unknown): void {
    const { guarded, fail } = this.#deps;
    const isRefusal =
      transfer.installation === undefined && error instanceof RaftKvError && error.code === "STATE_CORRUPT";
    if (part.type !== "files" || transfer.installation !== undefined || !isRefusal) {
      fail(error);
      return;
    }
    this.#storing = false;
    this.#refuseFiles(transfer.from, error);
    guarded(() => this.#refused(transfer, new RaftKvError("SNAPSHOT_GONE", error.message)));
  }

  #refuseFiles(from: MemberId, error: RaftKvError): void {
    this.#deps.logger.warn({ from, error }, "files of a snapshot cannot be used; it is fetched in rows");
    this.#filesFailed = true;
  }

  #begin(from: MemberId, { snapshotId, base, part }: SnapshotChunk): Promise<Installation> {
    const { store } = this.#deps;
    const source = { snapshotId, from, base };
    return part.type === "rows" ? store.beginInstallation(source) : store.beginFileInstallation(source, part.files);
  }
}

/** Failures in a row after which rows are no longer asked of a member that does not lead any more. */
const failuresMax = 3;
